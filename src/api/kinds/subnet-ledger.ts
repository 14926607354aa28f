// Who has which addresses of a subnet where no cloud keeps the book (provider `vlan`): one object a subnet, named as it.
// Writing it with the version that was read is the compare-and-swap that keeps an address from being given twice.
import type { Kind, KubeObject } from "../object.ts";

export interface LedgerInterface {
  readonly id: string;
  /** What it was made for: the same token makes no second one. */
  readonly token: string;
  readonly status: "Available" | "InUse";
  /** Name of the node that it is attached to. */
  readonly instanceID?: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly securityGroupIDs: readonly string[];
  /** The first is the interface's primary one. */
  readonly addresses: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The last assignments, oldest first: what is asked for again is answered as before. */
  readonly assigned?: readonly { readonly token: string; readonly addresses: readonly string[] }[];
}

export interface SubnetLedger extends KubeObject {
  readonly kind: "SubnetLedger";
  readonly spec: { readonly interfaces: readonly LedgerInterface[] };
}

export const subnetLedgerKind: Kind<SubnetLedger> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "SubnetLedger",
  plural: "subnetledgers",
  shortNames: [],
  namespaced: false,
};
