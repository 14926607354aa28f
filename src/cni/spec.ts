// The vocabulary of the Container Network Interface specification 1.1.0, as far as a plugin speaks it.
// Everything in this folder is free of Node.js APIs: the plugin executable is built from it.

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** The error object that a plugin prints on standard output when it fails. */
export interface CniFailure {
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** Codes 1–99 belong to the specification, those from 100 on to the plugin. */
export const failureCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decoding: 6,
  invalidConfig: 7,
  /** Used by libcni and its plugins; the specification does not list it. */
  invalidNetns: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limited: 51,
  /** Ours: the pod's interface is there already and is not the one that this container asked for before. */
  interfaceExists: 101,
  /** Ours: no address can be had for this pod. */
  noAddress: 102,
  /** Ours: CHECK found the pod's wire to be other than ADD left it. */
  checkFailed: 103,
  /** Used by libcni for everything else. */
  internal: 999,
} as const;

export function failure(code: number, msg: string, details?: string): CniFailure {
  return details === undefined || details === "" ? { code, msg } : { code, msg, details };
}

export function isFailure(value: object): value is CniFailure {
  return "code" in value && "msg" in value;
}

export interface ResultInterface {
  readonly name: string;
  readonly mac?: string;
  /** From 1.1.0 on. */
  readonly mtu?: number;
  /** Path of the namespace; absent for the host's end. */
  readonly sandbox?: string;
  /** From 1.1.0 on. */
  readonly socketPath?: string;
  /** From 1.1.0 on. */
  readonly pciID?: string;
}

export interface ResultIp {
  /** Up to 0.4.0 only, and required there. */
  readonly version?: "4" | "6";
  /** `address/length` */
  readonly address: string;
  readonly gateway?: string;
  /** Index into interfaces. */
  readonly interface?: number;
}

export interface ResultRoute {
  readonly dst: string;
  readonly gw?: string;
  /** This and what follows: from 1.1.0 on. */
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

export interface ResultDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** What ADD prints. */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly ResultInterface[];
  readonly ips?: readonly ResultIp[];
  readonly routes?: readonly ResultRoute[];
  readonly dns?: ResultDns;
}

export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}
