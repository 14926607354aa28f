// What a table holds, and how it differs from what the kernel has: shared by the document and its text.
import type { NftType } from "./names.ts";

export interface NftBase {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting" | "ingress" | "egress";
  readonly priority: number;
  /** Default: accept. */
  readonly policy?: "accept" | "drop";
  /** For family netdev. */
  readonly device?: string;
}

export interface NftChain {
  /** Present for chains that hang on a hook. */
  readonly base?: NftBase;
  readonly rules: readonly string[];
}

export interface NftSet {
  readonly key: readonly NftType[];
  /** Makes it a map. */
  readonly value?: "verdict" | readonly NftType[];
  /** Elements may be ranges; those of one set must not overlap. */
  readonly interval?: boolean;
  /** How many elements it has room for: the kernel looks them up faster, and refuses more. Not with `interval`. */
  readonly size?: number;
  /** Every element counts its hits. */
  readonly counter?: boolean;
  /** Every element is found no more often than that (token bucket); `counter` counts also what is not found. */
  readonly limit?: { readonly perSecond: number; readonly burst: number };
}

/** A set's definition and elements: key to value, the value "" in plain sets. */
export interface NftSetState {
  readonly definition: NftSet;
  readonly elements: Map<string, string>;
  /** What the kernel has for keys that differ; undefined where it has nothing. */
  readonly before: Map<string, string | undefined>;
}

/** What differs from the committed state, as the text writer needs it. */
export interface NftDifference {
  /** The kernel has the table. */
  readonly exists: boolean;
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly sets: ReadonlyMap<string, NftSetState>;
  /** Committed versions of chains that differ; undefined where the kernel has none. */
  readonly chainsBefore: ReadonlyMap<string, NftChain | undefined>;
  readonly setsBefore: ReadonlyMap<string, NftSetState | undefined>;
  /** Sets whose elements differ. */
  readonly touched: ReadonlySet<string>;
}
