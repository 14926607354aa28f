// networking.k8s.io/v1 NetworkPolicy, exactly as the API defines it.
import type { Kind, KubeObject } from "../object.ts";
import type { LabelSelector, Protocol } from "./core.ts";

export interface NetworkPolicyPort {
  readonly protocol?: Protocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkPolicyIngressRule {
  readonly from?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface NetworkPolicyEgressRule {
  readonly to?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface NetworkPolicy extends KubeObject {
  readonly kind: "NetworkPolicy";
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly ("Ingress" | "Egress")[];
    readonly ingress?: readonly NetworkPolicyIngressRule[];
    readonly egress?: readonly NetworkPolicyEgressRule[];
  };
}

/** `"true"` on a NetworkPolicy: it is not enforced; what it would refuse is told (`trunkline denied --would`). */
export const STAGE_ANNOTATION = "trunkline.dev/stage";

/** Returns whether a policy is only tried. Whatever else is written there, it is enforced. */
export function isStaged({ metadata }: NetworkPolicy): boolean {
  return metadata.annotations?.[STAGE_ANNOTATION] === "true";
}

export const networkPolicyKind: Kind<NetworkPolicy> = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["netpol"],
  namespaced: true,
};
