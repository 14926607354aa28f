// Other programs' rules as the kernel runs them, in one shape for iptables (both variants) and nftables: what a packet
// meets on each hook, step by step. (What snat/foreign reads of the same texts is whose rules they are.)
import type { Family, IpRange } from "../../base/ip.ts";

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";
export const hooks: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** What of a packet, of its way or of its connection a rule asks for. */
export type Subject =
  | { readonly of: "source" | "destination"; readonly family: Family }
  /** IANA number; with a family, a field of that family's header, which packets of the other have not. */
  | { readonly of: "protocol"; readonly family?: Family }
  /** Of packets of these protocols only; undefined: whatever has ports. */
  | { readonly of: "source-port" | "destination-port"; readonly protocol?: number }
  | { readonly of: "in" | "out" }
  | { readonly of: "mark"; readonly mask: number }
  /** Of the connection: `new`, `established`, `related`, `invalid`, `untracked`; of iptables `dnat` and `snat` as well. */
  | { readonly of: "state" }
  /** Of the connection: `dnat`, `snat`, as far as the packet has got. */
  | { readonly of: "status" }
  /** `original` or `reply`: of its connection's opener, or of the other end. */
  | { readonly of: "direction" }
  /** `local`, `unicast`, …: what an address is to the machine; `single`: any that is no group's. */
  | { readonly of: "source-type" | "destination-type" }
  | { readonly of: "family" }
  | { readonly of: "icmp-type"; readonly family: Family }
  /** Those bits of TCP's flags (RFC 9293, 3.1). */
  | { readonly of: "tcp-flags"; readonly mask: number }
  /** Of IPv6: how many machines may pass it on still. */
  | { readonly of: "hop-limit" }
  /** `host`, `broadcast`, `multicast`, `other`: by its hardware address. */
  | { readonly of: "packet-type" }
  /** `exists`, `missing`: a way to its source by the link that it came by. */
  | { readonly of: "way-back" };

/** A range of numbers, both ends in it, or a word; a link's name may end with `*`. */
export type Value = { readonly first: bigint; readonly last: bigint } | string;

export interface Match {
  readonly type: "match";
  readonly subjects: readonly Subject[];
  /** Holds if one of them holds, value by value. */
  readonly tuples: readonly (readonly Value[])[];
  readonly not: boolean;
}

/** By a reset of TCP's, or by an error message: nobody listens there, or nobody gets there. */
export type Rejection = "reset" | "refused" | "unreachable";

export type Verdict =
  | { readonly type: "accept" | "drop" | "return" | "continue" }
  | { readonly type: "jump" | "goto"; readonly chain: string };

export type Step =
  | Match
  | Verdict
  /** What is not understood: the rule goes on here, or does not. */
  | { readonly type: "unknown-match"; readonly text: string }
  /** What is not understood, and may do anything. */
  | { readonly type: "opaque"; readonly text: string }
  /** What the entry that is found says is done. */
  | { readonly type: "map"; readonly subjects: readonly Subject[]; readonly entries: readonly MapEntry[] }
  /** How the sender is told. */
  | { readonly type: "reject"; readonly as: Rejection }
  | { readonly type: "masquerade" }
  /** Several addresses: the kernel picks one for each connection. */
  | { readonly type: "snat"; readonly to: IpRange }
  /** To the address or the port of the packet where none is named. */
  | { readonly type: "dnat"; readonly to?: IpRange; readonly ports?: Ports }
  | { readonly type: "redirect"; readonly ports?: Ports }
  /** One of these is taken, by lot. */
  | { readonly type: "lot"; readonly steps: readonly Step[] }
  /** The new mark is (old & and) ^ xor. */
  | { readonly type: "mark"; readonly and: number; readonly xor: number }
  | { readonly type: "mark-unknown" }
  /** Counts, logs: nothing happens to the packet. */
  | { readonly type: "nothing" };

export interface Ports {
  readonly first: number;
  readonly last: number;
}

export interface MapEntry {
  readonly values: readonly Value[];
  readonly step: Step;
}

export interface Rule {
  /** As its tool would write it, with its place. */
  readonly name: string;
  readonly steps: readonly Step[];
}

export interface Chain {
  /** Unlike any other's of the machine; jumps name it. */
  readonly key: string;
  /** For people: `iptables-nft filter FORWARD`, `nft inet fw forward`. */
  readonly title: string;
  readonly families: readonly Family[];
  readonly base?: ChainBase;
  readonly policy: "accept" | "drop";
  readonly rules: readonly Rule[];
}

export interface ChainBase {
  readonly type: "filter" | "nat" | "route";
  readonly hook: Hook;
  readonly priority: number;
}

/** All rules of a machine but our own. */
export interface Ruleset {
  readonly chains: ReadonlyMap<string, Chain>;
  /** What is there and could not be read, worded: whatever passes the machine may meet it. */
  readonly unreadable: readonly string[];
}

export const noRules: Ruleset = { chains: new Map(), unreadable: [] };

export const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  udplite: 136,
  "ipv6-icmp": 58,
  icmpv6: 58,
  sctp: 132,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  igmp: 2,
  ipip: 4,
  ipencap: 4,
};

/** Returns IANA's number of a protocol that is named or numbered. */
export function protocolNumber(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : protocolNumbers[text];
}

export function exactly(value: bigint | number): Value {
  return { first: BigInt(value), last: BigInt(value) };
}
