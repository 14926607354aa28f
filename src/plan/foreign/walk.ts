// A packet's way through the chains of one hook, as the kernel walks them (nft(8), iptables(8)): filter chains by their
// priority, each of which may end it; nat chains for the first packet of a connection only, until one translates.
import type { IpRange } from "../../base/ip.ts";
import type { Choices, Maybe } from "./choices.ts";
import type { HookPacket } from "./hook-packet.ts";
import { addressTypeIs, among, hopLimitIs, packetTypeIs, tcpFlagsAre } from "./packet-parts.ts";
import type {
  Chain,
  Hook,
  MapEntry,
  Match,
  Ports,
  Rejection,
  Rule,
  Ruleset,
  Step,
  Subject,
  Value,
  Verdict,
} from "./types.ts";

export type Translation =
  | { readonly type: "masquerade" }
  | { readonly type: "snat"; readonly to: IpRange }
  | { readonly type: "dnat"; readonly to?: IpRange; readonly ports?: Ports }
  | { readonly type: "redirect"; readonly ports?: Ports };

export type HookResult =
  | { readonly type: "pass" }
  | { readonly type: "translate"; readonly by: string; readonly to: Translation }
  | { readonly type: "stop"; readonly by: string; readonly as: "dropped" | Rejection };

/** The ports that kernels pick where they translate: those that are not reserved. */
const PICKED = { first: 1024n, last: 65_535n };
/** Those for sockets (net.ipv4.ip_local_port_range, unless somebody has set it). */
const PICKED_FOR_SOCKETS = { first: 32_768n, last: 60_999n };
const pass: HookResult = { type: "pass" };
const deepest = 64;

/** Returns the chains that the kernel calls on a hook for a family, by type and in their order. */
export function chainsOn(
  { chains }: Ruleset,
  hook: Hook,
  family: 4 | 6,
): { readonly filters: readonly Chain[]; readonly nats: readonly Chain[] } {
  const here = [...chains.values()]
    .filter(({ base, families }) => base?.hook === hook && families.includes(family))
    .toSorted((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
  return {
    filters: here.filter(({ base }) => base?.type !== "nat"),
    nats: here.filter(({ base }) => base?.type === "nat"),
  };
}

/** Walks one base chain. The packet's mark may change. */
export function walkChain(rules: Ruleset, chain: Chain, packet: HookPacket, choices: Choices): HookResult {
  const ended = new Walk(rules, packet, choices, isBeforeTracking(chain, packet)).run(chain, 0);
  if (ended && ended !== "return") return ended === "accept" ? pass : ended;
  return chain.policy === "drop"
    ? { type: "stop", by: `${chain.title}, whose policy is to drop`, as: "dropped" }
    : pass;
}

/** linux/netfilter_ipv4.h: where the kernel looks which connection a packet is of. */
const TRACKING_PRIORITY = -200;

/** Whether a chain comes before that, so that each packet is of none that it knows. What goes round by `lo` was looked at. */
function isBeforeTracking({ base }: Chain, packet: HookPacket): boolean {
  if (base?.hook !== "prerouting" && base?.hook !== "output") return false;
  return base.priority < TRACKING_PRIORITY && packet.in !== "lo";
}

type Ended = "accept" | "return" | HookResult | undefined;

class Walk {
  readonly #rules: Ruleset;
  readonly #packet: HookPacket;
  readonly #choices: Choices;
  readonly #isUntracked: boolean;

  constructor(rules: Ruleset, packet: HookPacket, choices: Choices, isUntracked: boolean) {
    this.#rules = rules;
    this.#packet = packet;
    this.#choices = choices;
    this.#isUntracked = isUntracked;
  }

  /** Returns how the packet's way through this hook ended in a chain; undefined: at the chain's end. */
  run(chain: Chain, depth: number): Ended {
    if (depth > deepest) throw this.#choices.untold(`${chain.title} calls itself`);
    for (const rule of chain.rules) {
      const ended = this.#rule(rule, depth);
      if (ended === "return") return depth === 0 ? undefined : "return";
      if (ended) return ended;
    }
    return undefined;
  }

  #rule(rule: Rule, depth: number): Ended {
    let at = 0;
    while (at < rule.steps.length) {
      // Matches that follow one another are asked together: one that surely fails settles it.
      const matches: Step[] = [];
      while (at < rule.steps.length && isMatch(rule.steps[at]!)) matches.push(rule.steps[at++]!);
      const rest = rule.steps.slice(at);
      // Whether it goes on or not comes to the same.
      if (rest.every(({ type }) => type === "nothing" || isMatchType(type))) return undefined;
      if (!this.#choices.settle(this.#all(matches), rule.name)) return undefined;
      for (; at < rule.steps.length && !isMatch(rule.steps[at]!); at++) {
        const ended = this.#act(rule.steps[at]!, rule, depth);
        if (ended) return ended;
      }
    }
    return undefined;
  }

  #all(matches: readonly Step[]): Maybe {
    let answer: Maybe = true;
    for (const match of matches) {
      const holds = match.type === "match" ? this.#holds(match) : "perhaps";
      if (holds === false) return false;
      if (holds === "perhaps") answer = "perhaps";
    }
    return answer;
  }

  #act(step: Step, rule: Rule, depth: number): Ended {
    const packet = this.#packet;
    switch (step.type) {
      case "nothing":
      case "match":
      case "unknown-match":
        return undefined;
      case "mark":
        if (packet.mark !== undefined) packet.mark = ((packet.mark & step.and) ^ step.xor) >>> 0;
        return undefined;
      case "mark-unknown":
        packet.mark = undefined;
        return undefined;
      case "opaque":
        throw this.#choices.untold(rule.name);
      case "snat":
      case "dnat":
        // In family inet it passes over packets of the other family (nft_nat.c).
        return step.to === undefined || step.to.family === packet.family
          ? { type: "translate", by: rule.name, to: step }
          : undefined;
      case "masquerade":
      case "redirect":
        return { type: "translate", by: rule.name, to: step };
      case "lot":
        return this.#act(step.steps[this.#choices.pick(step.steps.length, rule.name)]!, rule, depth);
      case "reject":
        return { type: "stop", by: rule.name, as: step.as };
      case "map":
        return this.#map(step.subjects, step.entries, rule, depth);
      default:
        return this.#verdict(step, rule, depth);
    }
  }

  #verdict(verdict: Verdict, rule: Rule, depth: number): Ended {
    switch (verdict.type) {
      case "accept":
      case "return":
        return verdict.type;
      case "drop":
        return { type: "stop", by: rule.name, as: "dropped" };
      case "continue":
        return undefined;
      default: {
        const chain = this.#rules.chains.get(verdict.chain);
        // A target of iptables that is nobody's chain: it may do anything.
        if (!chain) throw this.#choices.untold(rule.name);
        const ended = this.run(chain, depth + 1);
        if (ended && ended !== "return") return ended;
        return verdict.type === "goto" ? "return" : undefined;
      }
    }
  }

  #map(subjects: readonly Subject[], entries: readonly MapEntry[], rule: Rule, depth: number): Ended {
    for (const { values, step } of entries) {
      const holds = this.#tuple(subjects, values);
      if (holds === undefined) return undefined;
      if (this.#choices.settle(holds, rule.name)) return this.#act(step, rule, depth);
    }
    return undefined;
  }

  #holds({ subjects, tuples, not }: Match): Maybe {
    let answer: Maybe = false;
    for (const tuple of tuples) {
      const holds = this.#tuple(subjects, tuple);
      // It asks for a part that this packet has not: then it does not match, whichever way round it is asked.
      if (holds === undefined) return false;
      if (holds === true) return !not;
      if (holds === "perhaps") answer = "perhaps";
    }
    return answer === "perhaps" ? answer : not;
  }

  #tuple(subjects: readonly Subject[], values: readonly Value[]): Maybe | undefined {
    let answer: Maybe = true;
    for (const [at, subject] of subjects.entries()) {
      const holds = this.#ask(subject, values[at]!);
      if (holds === undefined) return undefined;
      if (holds === false) answer = false;
      else if (holds === "perhaps" && answer === true) answer = "perhaps";
    }
    return answer;
  }

  /** undefined: the packet has no such part. */
  #ask(subject: Subject, value: Value): Maybe | undefined {
    const packet = this.#packet;
    switch (subject.of) {
      case "source":
      case "destination":
        return packet.family === subject.family ? overlap(packet[subject.of], value) : undefined;
      case "family":
        return among(packet.family, value);
      case "protocol":
        if (subject.family !== undefined && subject.family !== packet.family) return undefined;
        return among(packet.protocol, value);
      case "source-port":
      case "destination-port":
        return this.#port(subject, value);
      case "icmp-type": {
        const type = this.#icmpType();
        return type === undefined || packet.family !== subject.family ? undefined : among(type, value);
      }
      case "in":
      case "out":
        return linkIs(packet[subject.of], value);
      case "mark":
        return packet.mark === undefined ? "perhaps" : among((packet.mark & subject.mask) >>> 0, value);
      case "state":
        if (value === "dnat" || value === "snat") return this.#isTranslated(value);
        // Without a connection it is none that the kernel knows (nft_ct.c, xt_conntrack.c).
        return (this.#isUntracked ? "invalid" : packet.state) === value;
      case "status":
        return this.#isTranslated(value);
      case "direction": {
        const isNone = this.#isUntracked || packet.state === "invalid" || packet.state === "untracked";
        return isNone ? undefined : value === (this.#isReply() ? "reply" : "original");
      }
      case "source-type":
        return addressTypeIs(packet, packet.source, value);
      case "destination-type":
        return addressTypeIs(packet, packet.destination, value);
      case "tcp-flags":
        return packet.protocol === 6 ? tcpFlagsAre(packet, subject.mask, value) : undefined;
      case "hop-limit":
        return packet.family === 6 ? hopLimitIs(packet, value) : undefined;
      case "packet-type":
        return packetTypeIs(packet, value);
      case "way-back": {
        const has = packet.hasWayBack?.(packet) ?? "perhaps";
        return has === "perhaps" ? has : (value === "exists") === has;
      }
    }
  }

  #isTranslated(value: Value): Maybe {
    if (this.#isUntracked) return false;
    const { dnat, snat } = this.#packet.translated;
    return value === "dnat" ? dnat : value === "snat" ? snat : "perhaps";
  }

  /** What a machine takes for the beginning of something is none. */
  #isReply(): boolean {
    return this.#packet.isAnswer === true && this.#packet.state !== "new";
  }

  #port({ of, protocol }: Extract<Subject, { of: "source-port" | "destination-port" }>, value: Value) {
    const packet = this.#packet;
    if (protocol !== undefined && protocol !== packet.protocol) return undefined;
    if (![6, 17, 132].includes(packet.protocol)) {
      // nft's `th` reads what stands where ports would: of an echo or an error its type and code, and its checksum.
      const type = of === "source-port" && packet.error === undefined ? this.#icmpType() : undefined;
      return type === undefined ? ("perhaps" as const) : among(type << 8, value);
    }
    const own = of === "source-port" ? packet.sourcePort : packet.port;
    if (own !== undefined) return among(own, value);
    if (typeof value === "string") return "perhaps" as const;
    const { dnat, snat } = packet.translated;
    const picked = packet.isSocketPort === true && !dnat && !snat ? PICKED_FOR_SOCKETS : PICKED;
    return overlap(picked, value);
  }

  #icmpType(): number | undefined {
    const { protocol, isFirst, error, message } = this.#packet;
    if (message !== undefined) return message;
    if (protocol === 1) return error === undefined ? (isFirst ? 8 : 0) : error === "expired" ? 11 : 3;
    if (protocol === 58) return error === undefined ? (isFirst ? 128 : 129) : error === "expired" ? 3 : 1;
    return undefined;
  }
}

function isMatch({ type }: Step): boolean {
  return isMatchType(type);
}

function isMatchType(type: Step["type"]): boolean {
  return type === "match" || type === "unknown-match";
}

function overlap({ first, last }: Pick<IpRange, "first" | "last">, value: Value): Maybe {
  if (typeof value === "string") return "perhaps";
  if (last < value.first || value.last < first) return false;
  return value.first <= first && last <= value.last ? true : "perhaps";
}

/** Compares a link's name with the one asked for; either may end with `*`. */
function linkIs(link: string | undefined, value: Value): Maybe {
  if (typeof value !== "string") return "perhaps";
  if (link === undefined) return "perhaps";
  // On a hook where there is no such link its name is empty.
  const [own, wanted] = [link.replace(/\*$/, ""), value.replace(/\*$/, "")];
  const [ownIsOpen, wantedIsOpen] = [own !== link, wanted !== value];
  if (!ownIsOpen) return wantedIsOpen ? own.startsWith(wanted) : own === wanted;
  if (wantedIsOpen && own.startsWith(wanted)) return true;
  return wanted.startsWith(own) ? "perhaps" : false;
}
