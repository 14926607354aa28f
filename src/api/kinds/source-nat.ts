// Source NAT as ordered rules: which pods, towards which destinations, leave with which address.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition, LabelSelector } from "./core.ts";

export type SourceNatAction =
  | { readonly type: "None" }
  | { readonly type: "Masquerade" }
  /** An address or range of the pod's own node, or one held by an egress node. */
  | { readonly type: "Address"; readonly addresses: readonly string[]; readonly egressNodes?: LabelSelector };

export interface SourceNatRule {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector?: LabelSelector;
  /** Ranges; absent or empty: everywhere outside the pods' own ranges. */
  readonly destinations?: readonly string[];
  readonly action: SourceNatAction;
}

export interface SourceNAT extends KubeObject {
  readonly kind: "SourceNAT";
  readonly spec: {
    /** Lower goes first; objects with the same priority go by name. Default 100. */
    readonly priority?: number;
    readonly rules: readonly SourceNatRule[];
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    /** Which node holds each egress address now. */
    readonly holders?: readonly { readonly address: string; readonly node: string }[];
  };
}
export const sourceNatKind: Kind<SourceNAT> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "SourceNAT",
  plural: "sourcenats",
  shortNames: ["snat"],
  namespaced: false,
};
