// A range of the network around the cluster that pods' interfaces may stand in: a cloud's vSwitch, a VLAN of one's own
// switches, or one of the lab's. Its name is the id that the provider gives it.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition, LabelSelector } from "./core.ts";

export interface Subnet extends KubeObject {
  readonly kind: "Subnet";
  readonly spec: {
    readonly zone: string;
    readonly cidr: string;
    /** Default: the third-last address of the range. */
    readonly gateway?: string;
    /** 802.1Q id, with provider `vlan`. */
    readonly vlan?: number;
    /** On which of a node's links the VLAN is, with provider `vlan`; default: the link of the node's own address. */
    readonly parents?: readonly { readonly nodeSelector?: LabelSelector; readonly interface: string }[];
  };
  readonly status?: {
    /** Addresses that can be given out at all. */
    readonly totalAddresses?: number;
    /** Those that no pod has and none holds fixed; idle ones of nodes' pools are among them. */
    readonly availableAddresses?: number;
    /** Pods that have an address of it, and those that wait for one. */
    readonly servedPods?: number;
    /** By how many `availableAddresses` is below twice `servedPods`; 0 if it is not. */
    readonly shortBy?: number;
    readonly conditions?: readonly Condition[];
  };
}
export const subnetKind: Kind<Subnet> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Subnet",
  plural: "subnets",
  shortNames: [],
  namespaced: false,
};
