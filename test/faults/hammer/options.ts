// What the hammer is asked for, and what it answers.
import type { PoolRange } from "../../../src/ipam/types.ts";
import type { Finding } from "../../../src/plan/addressing/check.ts";
import type { Member } from "../member.ts";

export interface HammerOptions {
  /** Additions and deletions that are tried, also those that are refused. */
  readonly operations: number;
  /**
   * Goes on after `operations` until so many new pods were given an address: how many are refused depends on how long
   * killed processes take to come back, and that is the machine's affair. Ends all the same after four times
   * `operations`. Default: a fifth of `operations`.
   */
  readonly additions?: number;
  readonly seed: number;
  /** An empty folder, best on a disk in memory: what is tested is kills, not losses of power. */
  readonly folder: string;
  readonly nodes?: number;
  /** What a node is; default: an allocator as a process of its own. `env` gives its processes their disk. */
  readonly member?: (
    name: string,
    folder: string,
    store: string,
    env: Readonly<Record<string, string>>,
  ) => Member;
  readonly pool?: PoolRange;
  /** How many pods there are at the least and at the most. */
  readonly pods?: readonly [least: number, most: number];
  readonly workers?: number;
  /** Without: disks survive, and the pool is not drained in the end. */
  readonly whole?: boolean;
}

export interface HammerReport {
  readonly counts: Readonly<Record<string, number>>;
  /** Addresses that two pods had at a time; pods whose address changed. */
  readonly violations: readonly string[];
  /** What `ipam check` finds when all is quiet. */
  readonly findings: readonly Finding[];
  /** Addresses that one node got when it asked for the whole pool at the end. */
  readonly drained: number;
  readonly poolSize: number;
  /** What nodes have left of pods when all are gone. */
  readonly leftovers: readonly string[];
}
