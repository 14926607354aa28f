// What one node's BIRD is to do, as data: the plan makes it, text.ts writes it in BIRD's own language.
import type { Family } from "../../base/ip.ts";

export interface BirdConfig {
  /** An IPv4 address, whether or not the node has one. */
  readonly routerId: string;
  /** Seconds for which a restarted BIRD waits for its neighbours before it takes anything out of the kernel. */
  readonly restartWait: number;
  /** Patterns of interfaces that BIRD is not told of. */
  readonly ignoredInterfaces: readonly string[];
  readonly families: readonly FamilyConfig[];
}

export interface FamilyConfig {
  readonly family: Family;
  /** Prefixes that the node announces as its own, by BGP and by RIP. */
  readonly own: readonly string[];
  /** Those of them that go out by RIP only. */
  readonly ownNotByBgp: readonly string[];
  /** Ranges of Services that the node announces. */
  readonly services: readonly string[];
  /** Nobody outside may announce these, parts of them, or what covers them. */
  readonly guarded: readonly string[];
  /** What nodes announce within these ranges is not BIRD's to put into the kernel. */
  readonly notInKernel: readonly string[];
  /** Never told to anybody by BGP, these and their parts. */
  readonly notByBgp: readonly string[];
  /** Communities for what leaves within a range. */
  readonly marks: readonly { readonly cidr: string; readonly communities: readonly Community[] }[];
  /** Peers that are reached by a gateway. */
  readonly gateways: readonly { readonly address: string; readonly via: string }[];
  readonly sessions: readonly SessionConfig[];
  readonly rip?: RipConfig;
}

export type Community = readonly [number, number] | readonly [number, number, number];

export interface SessionConfig {
  /** BIRD's name of it. */
  readonly name: string;
  readonly peer: string;
  readonly port: number;
  /** Undefined: the kernel chooses. */
  readonly localAddress: string | undefined;
  readonly localPort: number;
  /** BIRD listens on that address only. */
  readonly strictBind: boolean;
  readonly localAS: number;
  readonly peerAS: number;
  readonly password: string | undefined;
  readonly passive: boolean;
  /** The peer is this reflector's client. */
  readonly client: boolean;
  readonly clusterId: string | undefined;
  readonly nextHop: "self" | "keep";
  /** Hops to the peer, if packets from farther away are to be refused. */
  readonly ttlSecurity: number | undefined;
  /** Seconds; 0: neighbours forget this node's routes at once. */
  readonly restartTime: number;
  readonly allowedLocalAS: number;
  /** The peer is no node of the cluster. */
  readonly outside: boolean;
  readonly import: RuleList;
  readonly export: RuleList;
}

export interface RuleList {
  /** Something that decides is not there: nothing passes. */
  readonly closed: boolean;
  /** Why it is closed, where that is not for a filter that is missing. */
  readonly why?: string;
  readonly rules: readonly FilterRule[];
}

/** One rule of a BGPFilter, for one session: what is the same for all of the session's routes is decided already. */
export interface FilterRule {
  /** `BGPFilter/NAME importV4[0]` */
  readonly label: string;
  readonly accept: boolean;
  readonly net?: {
    readonly operator: "In" | "NotIn" | "Equal" | "NotEqual";
    readonly cidr: string;
    readonly min?: number;
    readonly max?: number;
  };
  /** Only what was learned by BGP. */
  readonly fromPeers?: boolean;
  /** The route's interface, with `*`. */
  readonly interface?: string;
  readonly priority?: number;
  readonly asPathPrefix?: readonly number[];
  readonly communities?: readonly Community[];
  readonly operations: readonly FilterOperation[];
}

export type FilterOperation =
  | { readonly type: "addCommunity"; readonly community: Community }
  | { readonly type: "prependPath"; readonly path: readonly number[] }
  | { readonly type: "setPriority"; readonly metric: number };

export interface RipConfig {
  /** Names of interfaces. */
  readonly interfaces: readonly string[];
  /** Seconds. */
  readonly updateTime: number;
  readonly timeoutTime: number;
  readonly garbageTime: number;
  readonly password: string | undefined;
  /** What the other nodes announce: taken exactly as it stands, whoever passes it on. */
  readonly known: readonly string[];
}

/** Metric of BIRD's routes in the kernel, where no filter sets one. */
export const BIRD_METRIC = 32;
/** rtnetlink's protocol number of BIRD's routes. */
export const BIRD_PROTOCOL = 12;
/** A large community (RFC 8092) that says inside the cluster: this came from outside. Taken off on every way out. */
export const OUTSIDE_MARK = [84, 0, 1] as const;
