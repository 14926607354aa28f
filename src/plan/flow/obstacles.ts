// What other programs' rules say of packets of connections that are open. Through a flow table such packets meet none of
// them, so where a rule may stop or change one, connections are not handed over.
//
// The policy of a chain is not such a rule: a connection is handed over by a packet that passed it, and all are judged anew
// whenever others' rules change (`signature`).
import { among, tcpFlagBits } from "../foreign/packet-parts.ts";
import type { Chain, Hook, MapEntry, Match, Rule, Ruleset, Step, Subject, Value } from "../foreign/types.ts";

export interface ForeignSay {
  /** The rule that may stop or change packets of open connections, with its chain; undefined: there is none. */
  readonly obstacle: string | undefined;
  /** Differs where rules do that packets of open connections may meet. */
  readonly signature: string;
}

/** The hooks that packets pass on their way through the node. */
const passed: readonly Hook[] = ["prerouting", "forward", "postrouting"];
const podLink = /^tl[0-9a-f]{13}$/;
const TCP = 6n;
const UDP = 17n;
/** All flags that a packet of an open connection may have: SYN opens one. */
const flagsOfOpen = Array.from({ length: 0x100 }, (_, flags) => flags).filter(
  (flags) => (flags & tcpFlagBits["syn"]!) === 0,
);

/**
 * What hangs on a link's own hooks is met all the same: before the flow table, or after the packet has left it. Others'
 * families never meet what is forwarded by address.
 */
const ofLinks = /^table (netdev|bridge|arp) |rules on the hook (ingress|egress) /;

/**
 * Returns what others' rules mean for connections between pods' links and `uplinks`.
 * @param rules all of the machine's but ours
 */
export function foreignSay(rules: Ruleset, uplinks: readonly string[]): ForeignSay {
  const isOurs = (name: string) => podLink.test(name) || uplinks.includes(name);
  const walk = new Walk(rules, isOurs, uplinks);
  const bases = [...rules.chains.values()].filter(
    ({ base }) => base !== undefined && base.type !== "nat" && passed.includes(base.hook),
  );
  for (const base of bases) walk.chain(base);
  const unread = rules.unreadable.find((text) => !ofLinks.test(text));
  const obstacle = unread === undefined ? walk.obstacle : `not read: ${unread}`;
  return { obstacle, signature: [...walk.seen, ...rules.unreadable].join("\n") };
}

class Walk {
  obstacle: string | undefined;
  readonly seen: string[] = [];
  readonly #rules: Ruleset;
  readonly #isOurs: (name: string) => boolean;
  readonly #uplinks: readonly string[];
  readonly #visited = new Set<string>();

  constructor(rules: Ruleset, isOurs: (name: string) => boolean, uplinks: readonly string[]) {
    this.#rules = rules;
    this.#isOurs = isOurs;
    this.#uplinks = uplinks;
  }

  chain(chain: Chain): void {
    if (this.#visited.has(chain.key)) return;
    this.#visited.add(chain.key);
    this.seen.push(`${chain.title} ${chain.policy}`);
    for (const rule of chain.rules) this.#rule(chain, rule);
  }

  #rule(chain: Chain, rule: Rule): void {
    for (const step of rule.steps) {
      if (step.type === "match" && !this.#mayHold(step)) return;
      this.#act(step, chain, rule);
    }
    this.seen.push(rule.name);
  }

  #act(step: Step, chain: Chain, rule: Rule): void {
    switch (step.type) {
      case "drop":
      case "reject":
      case "opaque":
      case "mark":
      case "mark-unknown":
        this.obstacle ??= `${rule.name} (${chain.title})`;
        return;
      case "jump":
      case "goto": {
        const target = this.#rules.chains.get(step.chain);
        // A target of iptables that is nobody's chain: it may do anything.
        if (target) this.chain(target);
        else this.obstacle ??= `${rule.name} (${chain.title})`;
        return;
      }
      case "map":
        for (const entry of step.entries) this.#entry(step.subjects, entry, chain, rule);
        return;
      case "lot":
        for (const one of step.steps) this.#act(one, chain, rule);
        return;
      default:
    }
  }

  #entry(subjects: readonly Subject[], { values, step }: MapEntry, chain: Chain, rule: Rule): void {
    if (this.#mayFit(subjects, values)) this.#act(step, chain, rule);
  }

  /** Whether a packet of an open connection between our links may match. */
  #mayHold({ subjects, tuples, not }: Match): boolean {
    if (!not) return tuples.some((values) => this.#mayFit(subjects, values));
    const [only] = subjects;
    // What is asked the other way round surely fails where it asks for the very state that such a packet has.
    return !(
      subjects.length === 1 &&
      only?.of === "state" &&
      tuples.some(([value]) => value === "established")
    );
  }

  #mayFit(subjects: readonly Subject[], values: readonly Value[]): boolean {
    return subjects.every((subject, at) => {
      const value = values[at];
      return value === undefined || this.#mayBe(subject, value);
    });
  }

  #mayBe(subject: Subject, value: Value): boolean {
    switch (subject.of) {
      case "state":
        return value === "established" || value === "dnat" || value === "snat";
      case "in":
      case "out":
        return typeof value !== "string" || this.#mayName(value);
      case "protocol":
        return typeof value === "string" || [TCP, UDP].some((one) => value.first <= one && one <= value.last);
      case "icmp-type":
        return false;
      case "tcp-flags":
        return flagsOfOpen.some((flags) => among(flags & subject.mask, value) !== false);
      default:
        return true;
    }
  }

  #mayName(name: string): boolean {
    if (!name.endsWith("*")) return this.#isOurs(name);
    const start = name.slice(0, -1);
    return (
      start.startsWith("tl") || "tl".startsWith(start) || this.#uplinks.some((one) => one.startsWith(start))
    );
  }
}
