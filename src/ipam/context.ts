// What the parts of a node's allocator share.
import type { AddressBlock } from "../api/kinds/address-block.ts";
import type { Logger } from "../base/log.ts";
import type { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import type { Journal } from "./journal/journal.ts";
import type { JournalRecord } from "./journal/records.ts";
import type { Ledger } from "./ledger.ts";
import type { Clock } from "./types.ts";

export interface IpamSettings {
  /** How long a released address rests before anyone gets it again while there are others, in milliseconds. */
  readonly cooldownMs: number;
  /** Only addresses of own blocks: nothing is borrowed, nothing is lent. */
  readonly strictAffinity: boolean;
  /** The most blocks that one node may own; 0: any number. */
  readonly maxBlocks: number;
  /** How long an allocation waits for a loan, in milliseconds. */
  readonly borrowWaitMs: number;
  /** After how long an empty block is given up, in milliseconds. */
  readonly idleBlockMs: number;
  /** After how long an unused loan goes back, in milliseconds. */
  readonly idleLoanMs: number;
  /** How often the node looks after its blocks without being told to, in milliseconds. */
  readonly tickMs: number;
  /** The shortest time between two writes of a block's figures, in milliseconds. */
  readonly statusMs: number;
}

export const defaultSettings: IpamSettings = {
  cooldownMs: 30_000,
  strictAffinity: false,
  maxBlocks: 0,
  borrowWaitMs: 2_000,
  idleBlockMs: 300_000,
  idleLoanMs: 60_000,
  tickMs: 1_000,
  statusMs: 5_000,
};

/** An address of another node's block that this node may use. */
export interface LoanIn {
  /** Name of the block object. */
  readonly block: string;
  readonly cidr: string;
  readonly pool: string;
  readonly seq: number;
  /** Since when it is unused (ms). */
  idleSince: number;
  /** It was there before this run began, or before the node was registered anew: it only goes back. */
  readonly stale: boolean;
}

/** Something on the node that already uses an address, found without the journal. */
export interface UsedAddress {
  readonly address: string;
  /** `namespace/name`, or empty if unknown. */
  readonly pod: string;
  readonly uid: string;
  /** The attachment that uses it, where that is known. */
  readonly containerId?: string;
  readonly ifName?: string;
}

export interface NodeContext {
  readonly node: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: IpamSettings;
  readonly ledger: Ledger;
  readonly journal: Journal;
  /** Every node's blocks, as this node last heard. */
  readonly view: Informer<AddressBlock>;
  /** When the view first held a block: by uid; equal numbers came in one listing. */
  readonly arrival: ReadonlyMap<string, number>;
  /** Uids of own blocks that this run has written as its own and may hand out of. */
  readonly ready: Set<string>;
  /** Uids of own claims that were withdrawn, as another block had the range first. */
  readonly withdrawn: Set<string>;
  /** By address. */
  readonly loans: Map<string, LoanIn>;
  /** When this node's last request to a block, as the view showed it, was made: by block name. */
  readonly requestsSeen: Map<string, string>;
  /** The ledger's present time (ms), by which everything rests and waits; see `Ledger.timeOf`. */
  time(): number;
  /** Names this run of the node; changes when the node is registered anew. */
  session(): string;
  /** Pools that this node may use, and those that a request under way names; undefined while nobody has said. */
  wantedPools(): ReadonlySet<string> | undefined;
  /** Addresses in use on this node, whatever the journal says. */
  inUse(): Promise<readonly UsedAddress[]>;
  /** Whether the cluster's objects still show an address as some pod's. */
  isNamed(address: string): boolean;
  /** Applies records to the ledger at once, then writes them. @throws `ipam.journal` */
  commit(records: readonly JournalRecord[], options: { readonly sync: boolean }): Promise<void>;
  /** Settles with true when `condition` holds, asked again after every pass; with false after `ms`. */
  until(condition: () => boolean, ms: number): Promise<boolean>;
}
