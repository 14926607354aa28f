// What others' rules do to one flow, as the kernel walks them: for predictions, and to say which rules are in the way.
import { cidrContains, type Ip, type IpRange, parseIp } from "../../../base/ip.ts";
import type { ForeignChain, ForeignRule, ForeignRules, Not, RuleMatch } from "./types.ts";

/** A connection's first packet as it leaves the node. */
export interface ForeignFlow {
  readonly source: string;
  readonly destination: string;
  /** `tcp`, `udp`, …; undefined: any, and rules that ask for one may match. */
  readonly protocol?: string;
  /** Where it leaves; undefined: not known, and rules that ask for it may match. */
  readonly outInterface?: string;
  /** Default 0. */
  readonly mark?: number;
}

export interface ForeignEffect {
  readonly action: "none" | "masquerade" | "snat";
  /** The new source of `snat`; undefined where the kernel picks the node's. */
  readonly to?: IpRange;
  /** The rule that translates. */
  readonly rule?: ForeignRule;
  /** Rules on the way that may or may not have matched, because they ask for what is not known here. */
  readonly uncertain: readonly ForeignRule[];
}

/** Returns what the rules do to a flow that nobody has translated before them. @throws `base.address` */
export function foreignNatEffect(rules: ForeignRules, flow: ForeignFlow): ForeignEffect {
  const walk = new Walk(rules, flow);
  const hooked = rules.chains
    .filter((chain) => chain.hook === "postrouting" && chain.type === "nat")
    // Legacy and nft stand at the same priority; the one that was registered first goes first, which is not known.
    .toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  for (const chain of hooked) {
    if (walk.run(chain) && walk.found) return { ...walk.found, uncertain: walk.uncertain };
  }
  return { action: "none", uncertain: walk.uncertain };
}

/** Returns a rule as its tool would write it. */
export function ruleName(rule: ForeignRule): string {
  return rule.store === "nft"
    ? `${rule.store} ${rule.table} ${rule.chain}: ${rule.text}`
    : `${rule.store} -A ${rule.chain} ${rule.text}`;
}

const deepest = 64;

class Walk {
  readonly uncertain: ForeignRule[] = [];
  found: Omit<ForeignEffect, "uncertain"> | undefined;
  readonly #chains = new Map<string, ForeignChain>();
  readonly #source: Ip;
  readonly #destination: Ip;
  readonly #flow: ForeignFlow;

  constructor(rules: ForeignRules, flow: ForeignFlow) {
    this.#flow = flow;
    this.#source = parseIp(flow.source);
    this.#destination = parseIp(flow.destination);
    for (const chain of rules.chains) this.#chains.set(chainKey(chain, chain.name), chain);
  }

  /** Walks a chain. Returns whether the packet's way through this hook has ended. */
  run(chain: ForeignChain, depth = 0): boolean {
    // An inet table's rules carry the family in their addresses; ip and ip6 tables see only their own.
    const only = chain.table.startsWith("inet ") ? undefined : chain.family;
    if ((only !== undefined && only !== this.#source.family) || depth > deepest) return false;
    for (const rule of chain.rules) {
      const matches = this.#matches(rule.match);
      if (matches === false) continue;
      const { target } = rule;
      if (matches === "maybe") {
        // Not followed: an uncertain rule must not make a sure prediction. It is told instead.
        if (target.type !== "other" && target.type !== "continue") this.uncertain.push(rule);
        continue;
      }
      if (target.type === "masquerade") this.found = { action: "masquerade", rule };
      else if (target.type === "snat")
        this.found = { action: "snat", rule, ...(target.to && { to: target.to }) };
      if (this.found || target.type === "accept" || target.type === "drop") return true;
      if (target.type === "return") return false;
      if (target.type !== "jump" && target.type !== "goto") continue;
      const next = this.#chains.get(chainKey(chain, target.chain));
      const ended = next ? this.run(next, depth + 1) : false;
      if (ended) return true;
      if (target.type === "goto") return false;
    }
    return false;
  }

  #matches(match: RuleMatch): boolean | "maybe" {
    const answers: (boolean | "maybe")[] = [
      test(match.source, (cidr) => cidrContains(cidr, this.#source)),
      test(match.destination, (cidr) => cidrContains(cidr, this.#destination)),
      test(match.protocol, (name) =>
        this.#flow.protocol === undefined ? "maybe" : name === this.#flow.protocol,
      ),
      test(match.outInterface, (name) => this.#leavesBy(name)),
      // Incoming interfaces are not known to postrouting.
      test(match.inInterface, () => false),
      test(match.mark, ({ value, mask }) => ((this.#flow.mark ?? 0) & mask) >>> 0 === value >>> 0),
      test(match.state, (states) => states.includes("new")),
      // What is for the node itself does not leave it.
      test(match.localDestination, () => false),
    ];
    if (answers.includes(false)) return false;
    return answers.includes("maybe") || match.unknown.length > 0 ? "maybe" : true;
  }

  #leavesBy(name: string): boolean | "maybe" {
    const { outInterface } = this.#flow;
    if (outInterface === undefined) return name === "docker0" || name.startsWith("br-") ? false : "maybe";
    return name.endsWith("+") ? outInterface.startsWith(name.slice(0, -1)) : outInterface === name;
  }
}

function chainKey(chain: ForeignChain, name: string): string {
  return `${chain.store} ${chain.family} ${chain.table} ${name}`;
}

function test<T>(wanted: Not<T> | undefined, holds: (value: T) => boolean | "maybe"): boolean | "maybe" {
  if (wanted === undefined) return true;
  const answer = holds(wanted.value);
  return answer === "maybe" ? answer : answer !== wanted.not;
}
