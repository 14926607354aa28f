// What the lab's cloud holds: all of it, as plain data, so that it can be kept on disk and read back.
import type { CloudCall } from "../provider.ts";
import type { InterfaceStatus, InterfaceType } from "../types.ts";

export interface StoredInterface {
  readonly id: string;
  type: InterfaceType;
  status: InterfaceStatus;
  readonly vSwitchID: string;
  instanceID?: string;
  trunkENIID?: string;
  vid?: number;
  readonly mac: string;
  readonly securityGroupIDs: readonly string[];
  addresses: string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string;
}

export interface Fault {
  readonly call: CloudCall | "*";
  /** throttle, error:CODE, timeout, lost, half, kill-before, kill-after */
  readonly effect: string;
  left: number;
}

export interface CloudState {
  settings: { latencyMs: number; callsPerSecond: number; down: boolean };
  faults: Fault[];
  calls: Partial<Record<CloudCall, { made: number; failed: number }>>;
  interfaces: StoredInterface[];
  /** Ids that are hidden, as if they had been deleted. */
  hidden: string[];
  /** What was made for a token: an interface's id, or the addresses that were assigned. */
  tokens: Record<string, string | string[]>;
  /** Of interfaces' ids and MAC addresses. */
  nextId: number;
}

export function emptyCloud(settings: Partial<CloudState["settings"]> = {}): CloudState {
  return {
    settings: { latencyMs: 0, callsPerSecond: 0, down: false, ...settings },
    faults: [],
    calls: {},
    interfaces: [],
    hidden: [],
    tokens: {},
    nextId: 1,
  };
}
