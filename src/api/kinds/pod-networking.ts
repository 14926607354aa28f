// Terway's PodNetworking: a network of its own for the pods that it selects.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition, LabelSelector } from "./core.ts";

export type ReleaseStrategy = "TTL" | "Never";

export interface AllocationType {
  /** Default Elastic. */
  readonly type?: "Elastic" | "Fixed";
  readonly releaseStrategy?: ReleaseStrategy;
  /** Go duration. */
  readonly releaseAfter?: string;
}

export interface PodNetworking extends KubeObject {
  readonly kind: "PodNetworking";
  readonly spec: {
    /** Trunk: a member of the node's trunk interface; ENI: an interface of the pod's own; Default: as the node does it. */
    readonly eniOptions?: { readonly eniType?: "Default" | "ENI" | "Trunk" };
    readonly allocationType?: AllocationType;
    /** Both given: both must match. Neither: it selects no pod. */
    readonly selector?: { readonly podSelector?: LabelSelector; readonly namespaceSelector?: LabelSelector };
    readonly vSwitchOptions?: readonly string[];
    readonly vSwitchSelectOptions?: { readonly vSwitchSelectionPolicy?: "ordered" | "random" | "most" };
    /** At most 10. */
    readonly securityGroupIDs?: readonly string[];
  };
  readonly status?: {
    readonly status?: "Ready" | "Fail" | "";
    readonly vSwitches?: readonly { readonly id: string; readonly zone?: string }[];
    /** RFC 3339: when vSwitches and groups were last asked for. */
    readonly updateAt?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
  };
}
export const podNetworkingKind: Kind<PodNetworking> = {
  apiVersion: "network.alibabacloud.com/v1beta1",
  kind: "PodNetworking",
  plural: "podnetworkings",
  shortNames: [],
  namespaced: false,
};
