// The plan of one node's source translation: which addresses are pods', and what each of them asked for, in order.
import type { Cidr, Family, IpRange } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import type { Segment } from "./intervals.ts";
import type { MasqConfig, PortRange } from "./masq-types.ts";
import type { SnatRowId } from "./rows.ts";

/** What happens to the source address. */
export type Translation =
  | { readonly type: "none" }
  | { readonly type: "masquerade" }
  /** The kernel picks one of the range for each connection. */
  | { readonly type: "address"; readonly range: IpRange }
  /** Sent on, as it is, to the node that holds the address and translates there. */
  | { readonly type: "steer"; readonly address: string; readonly holder: string }
  /** Nobody holds the address that must be used: better no connection than one with the wrong address. */
  | { readonly type: "drop"; readonly address: string };

/** One thing asked for; the first clause whose family and destinations match decides. */
export interface Clause {
  /** Same key, same clause: pods with equal keys share their kernel objects. */
  readonly key: string;
  readonly row: SnatRowId;
  /** Such as `SourceNAT/db`, `pod/shop/web`. */
  readonly object: string;
  /** Such as `spec.rules[1]`. */
  readonly path?: string;
  /** Both families where absent. */
  readonly family?: Family;
  readonly destinations: readonly Cidr[] | "all";
  readonly action: Translation;
}

/** What a source asks for where no clause of its own matches. */
export interface Base {
  readonly type: "none" | "masquerade" | "config";
  readonly row: SnatRowId;
  readonly object: string;
}

export interface PodSource {
  /** `namespace/name` */
  readonly pod: string;
  readonly clauses: readonly Clause[];
  readonly base: Base;
}

/** What single pods ask for. */
export interface PodWishes {
  /** Those that ask for something else than their range does, by address. */
  readonly pods: ReadonlyMap<string, PodSource>;
  readonly problems: readonly (Problem & { readonly object: string })[];
}

/** The text in force, and why. */
export interface ConfigStatus {
  /** absent: no ConfigMap; current: as written; last-good, defaults: what is written is unusable. */
  readonly state: "absent" | "current" | "last-good" | "defaults";
  readonly config: MasqConfig | undefined;
  /** The text to remember as good: set where what is written is usable. */
  readonly good: string | undefined;
  readonly errors: readonly Problem[];
  readonly findings: readonly Problem[];
}

/** An address that one of some nodes must hold. */
export interface EgressAddress {
  readonly address: string;
  readonly family: Family;
  /** Names of SourceNAT objects, in order. */
  readonly objects: readonly string[];
  /** Nodes that may hold it, by name. */
  readonly candidates: readonly string[];
  readonly holder: string | undefined;
}

/** Marked packets leave by way of the node that holds their address. */
export interface Steer {
  /** 1-63: its place in the mark's bits and the number of its routing table. */
  readonly index: number;
  readonly holder: string;
  /** The holder's addresses, by family. */
  readonly via: readonly { readonly family: Family; readonly address: string }[];
}

export interface PerFamily<T> {
  readonly 4: T;
  readonly 6: T;
}

export interface SnatPlan {
  readonly node: string;
  readonly nodeAddresses: readonly string[];
  /** Destinations that are pods': never translated. */
  readonly inside: PerFamily<readonly IpRange[]>;
  /** Ranges that only pods of this node have, whoever has wired them: its podCIDRs. */
  readonly home: PerFamily<readonly IpRange[]>;
  /** Whole ranges of pods, and what they ask for. */
  readonly ranges: PerFamily<readonly Segment<Base>[]>;
  /** Subnets' ranges, which count after those, and what their pods ask for: not all that is in them is a pod. */
  readonly subnets: PerFamily<readonly Segment<Base>[]>;
  /**
   * Pods that ask for something else than their range does, by address. Of another node's pods only what is sent here so
   * that an egress address of this node is used.
   */
  readonly pods: ReadonlyMap<string, PodSource>;
  readonly config: ConfigStatus;
  readonly randomFully: boolean;
  readonly toPorts: readonly PortRange[];
  readonly egress: readonly EgressAddress[];
  readonly steers: readonly Steer[];
  /** About objects other than the ConfigMap. */
  readonly problems: readonly (Problem & { readonly object: string })[];
}
