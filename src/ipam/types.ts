// What the allocator is asked for and what it answers.
import type { Family } from "../base/ip.ts";

/** Who an allocation belongs to: one interface of one sandbox. */
export interface Owner {
  readonly containerId: string;
  readonly ifName: string;
  /** `namespace/name` of the pod; empty if the runtime did not say. */
  readonly pod: string;
  /** The pod's uid; empty if the runtime did not say. */
  readonly uid: string;
}

/** A pool as the allocator needs it. */
export interface PoolRange {
  readonly name: string;
  readonly cidr: string;
  /** Prefix length of its blocks. */
  readonly blockSize: number;
}

/** One address of one family, out of the pools that the pod may use, in order of preference. */
export interface Want {
  readonly family: Family;
  readonly pools: readonly PoolRange[];
  /** This very address. */
  readonly address?: string;
}

export interface HeldAddress {
  readonly address: string;
  readonly family: Family;
  readonly pool: string;
  /** Range of the block that the address is of. */
  readonly block: string;
  /** Set when the block is another node's: which loan it is. */
  readonly loan?: number;
  /** The block was taken from this node: the address may be somebody else's by now. */
  readonly lost?: boolean;
}

/** What a node's journal holds about one owner. */
export interface Holding {
  /** Counts up with every allocation of the node. A release that names another one releases nothing. */
  readonly seq: number;
  /** Milliseconds since 1970, for people: nothing is decided by it. */
  readonly at: number;
  readonly owner: Owner;
  readonly addresses: readonly HeldAddress[];
}

export interface Clock {
  /** Milliseconds since 1970, as the machine believes: somebody may set that back or forward at any time. */
  now(): number;
  /** Milliseconds since the machine was started; only ever goes forward, and nobody can set it. */
  steady(): number;
  /** Names the machine's present run: `steady` begins anew with each. */
  readonly boot: string;
  /** Settles after that many milliseconds, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export function ownerKey(owner: Pick<Owner, "containerId" | "ifName">): string {
  return `${owner.containerId}/${owner.ifName}`;
}

/** Returns whether both are of one pod: by uid where both have one, else by name. */
export function samePod(held: Owner, asked: Partial<Owner>): boolean {
  if (asked.uid !== undefined && asked.uid !== "" && held.uid !== "") return held.uid === asked.uid;
  return asked.pod !== undefined && asked.pod !== "" && held.pod === asked.pod;
}
