// networking.k8s.io/v1 ServiceCIDR (Kubernetes 1.33): the ranges that ClusterIPs come from; there may be several.
import type { Kind, KubeObject } from "../object.ts";

export interface ServiceCIDR extends KubeObject {
  readonly kind: "ServiceCIDR";
  readonly spec?: { readonly cidrs?: readonly string[] };
}
export const serviceCidrKind: Kind<ServiceCIDR> = {
  apiVersion: "networking.k8s.io/v1",
  kind: "ServiceCIDR",
  plural: "servicecidrs",
  shortNames: [],
  namespaced: false,
  inert: true,
};
