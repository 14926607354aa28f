// A block of a pool that one node has claimed. Its name is made from its range, so creating it *is* the claim: two
// nodes cannot both succeed. Single addresses are not written here while they stay with the owner; only those lent to
// other nodes are, because the owner must never hand those out.
import type { Kind, KubeObject } from "../object.ts";

/** One address that the block's owner has given to another node. */
export interface Loan {
  readonly address: string;
  readonly node: string;
  /** Which loan of this address it is: a return names it, so that a late one cannot end a newer loan. */
  readonly seq?: number;
  /** Set by the borrower when it no longer needs the address; the owner then takes it back. */
  readonly returned?: boolean;
}

/** A node that is short of addresses asks the owners of blocks for one, or for a whole block that is empty. */
export interface LoanRequest {
  readonly node: string;
  readonly count: number;
  /** This very address, not just any: then nothing else will do. */
  readonly address?: string;
  /** RFC 3339; a request that nobody has served for a minute is stale. */
  readonly at: string;
}

/** Somebody wants an address freed that a node holds for nothing; the node does it, and takes the order off. */
export interface ReleaseOrder {
  readonly address: string;
  /** Who holds it: the owner or a borrower. */
  readonly node: string;
  /** The holder's number of the allocation that is meant; a later one stays. */
  readonly seq: number;
  /** RFC 3339; an order older than a minute is stale. */
  readonly at: string;
}

export interface AddressBlock extends KubeObject {
  readonly kind: "AddressBlock";
  readonly spec: {
    readonly cidr: string;
    readonly pool: string;
    /** The owner. */
    readonly node: string;
    /**
     * pending: claimed, not yet in the owner's journal; confirmed: in use, may be announced;
     * releasing: the owner hands out nothing more of it and will delete it.
     */
    readonly state: "pending" | "confirmed" | "releasing";
    readonly loans?: readonly Loan[];
    readonly requests?: readonly LoanRequest[];
    readonly releases?: readonly ReleaseOrder[];
  };
  /** Figures of the owner's, written at most every few seconds; never used for decisions. */
  readonly status?: { readonly used?: number; readonly free?: number; readonly cooling?: number };
}
export const addressBlockKind: Kind<AddressBlock> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "AddressBlock",
  plural: "addressblocks",
  shortNames: ["ablk"],
  namespaced: false,
};

/** Returns the name of the block of that range: `10.1.0.64/26` becomes `10-1-0-64-26`. */
export function blockName(cidr: string): string {
  return cidr.replaceAll(/[.:/]+/g, "-").replace(/^-/, "0-");
}
