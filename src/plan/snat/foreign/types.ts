// NAT rules that others left on a node, in one shape for iptables (both variants) and nftables.
import type { Cidr, IpRange } from "../../../base/ip.ts";
import type { PortRange } from "../masq-types.ts";

/** Who keeps the rule: two of them can stand side by side on one node, and both act. */
export type RuleStore = "iptables-nft" | "iptables-legacy" | "nft";

export interface Not<T> {
  readonly value: T;
  readonly not: boolean;
}

/** What a rule asks of a packet, as far as it bears on source translation. */
export interface RuleMatch {
  readonly source?: Not<Cidr>;
  readonly destination?: Not<Cidr>;
  readonly outInterface?: Not<string>;
  readonly inInterface?: Not<string>;
  /** Lower-case name or number. */
  readonly protocol?: Not<string>;
  readonly mark?: Not<{ readonly value: number; readonly mask: number }>;
  /** States of the connection (`new`, `established`, …): one of them. */
  readonly state?: Not<readonly string[]>;
  /** The destination is an address of the node itself. */
  readonly localDestination?: Not<true>;
  /** Words of matches that are not understood: such a rule may match or not. */
  readonly unknown: readonly string[];
}

export type RuleTarget =
  | { readonly type: "jump" | "goto"; readonly chain: string }
  | { readonly type: "return" | "accept" | "drop" | "continue" }
  | { readonly type: "masquerade"; readonly ports?: PortRange }
  | { readonly type: "snat"; readonly to: IpRange | undefined; readonly text: string }
  | { readonly type: "dnat"; readonly text: string }
  /** Also marks, logs and whatever else lets the packet go on. */
  | { readonly type: "other"; readonly text: string };

export interface ForeignRule {
  readonly store: RuleStore;
  readonly family: 4 | 6;
  /** iptables: the table (`nat`); nft: family and name (`ip flannel-ipv4`). */
  readonly table: string;
  readonly chain: string;
  /** Place in its chain, from 1. */
  readonly index: number;
  /** As iptables-save or nft writes it, without the chain: `-s 10.0.0.0/8 -j RETURN`. */
  readonly text: string;
  /** nft's handle; iptables has none. */
  readonly handle?: number;
  readonly comment?: string;
  readonly match: RuleMatch;
  readonly target: RuleTarget;
}

export interface ForeignChain {
  readonly store: RuleStore;
  readonly family: 4 | 6;
  readonly table: string;
  readonly name: string;
  /** iptables' policy, `-` for its own chains; nft: the policy of base chains. */
  readonly policy: string;
  /** For chains on a hook. */
  readonly hook?: string;
  /** Only nat chains translate. */
  readonly type?: string;
  readonly priority?: number;
  readonly rules: readonly ForeignRule[];
}

/** Everything that was read from one node. */
export interface ForeignRules {
  readonly chains: readonly ForeignChain[];
  /** What could not be read, worded. */
  readonly unreadable: readonly string[];
}
