// What is asked for when addresses are freed by hand, and what came of it.
import type { AddressOptions } from "./data.ts";

export interface ReleaseOptions extends AddressOptions {
  readonly fromReport?: string;
  readonly yes?: boolean;
  /** How long a node may take to carry an order out, in milliseconds; 10,000 if absent. */
  readonly waitMs?: number;
}

export interface ReleaseResult {
  readonly address: string;
  readonly ok: boolean;
  readonly result: string;
}
