// What is asked for when addresses are freed by hand, and what came of it.
import type { AddressOptions } from "./data.ts";

export interface ReleaseOptions extends AddressOptions {
  readonly fromReport?: string;
  readonly yes?: boolean;
}

export interface ReleaseResult {
  readonly address: string;
  readonly ok: boolean;
  readonly result: string;
}
