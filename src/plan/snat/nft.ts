// Writes a plan into the node's nftables table. Our part of it are the objects named `nat-…`.
//
// A connection's first packet takes a fixed number of look-ups, however many ranges or pods there are: is the
// destination a pod's (interval set), does the source ask for something of its own (hash map), does it come from a pod of
// this node, which range is it from (interval map), and one interval map over destinations. Order of precedence never becomes an order of rules: clauses
// are flattened into disjoint intervals first.
//
// Sets of intervals are named by their contents and replaced as a whole: a range that becomes two halves would overlap
// itself within one transaction.
import { createHash } from "node:crypto";
import { cidrRange, type Family, type IpRange } from "../../base/ip.ts";
import type { NftTable } from "../../kernel/nft/document.ts";
import { fromPod, notFromPod } from "../policy/nft/guard.ts";
import { layered, mostSpecific, type Segment } from "./intervals.ts";
import { linkLocalEntries } from "./masq-types.ts";
import { rangeName, rangeText } from "./source-nat-rules.ts";
import type { Base, Clause, PodSource, SnatPlan, Translation } from "./types.ts";

/** Before NF_IP_PRI_NAT_SRC (100), where iptables' rules stand: what we translate, nobody translates again. */
export const NAT_PRIORITY = 90;
/**
 * Before the routing decision, and after destinations are translated (-100): what is for one of the node's own addresses or
 * a Service's may be for a pod by now, which is reached without translation.
 */
export const STEER_PRIORITY = -95;
/** The mark's bits that say by way of which node a packet leaves. */
export const STEER_MASK = 0x3f000000;
const STEER_SHIFT = 24;

const addressType = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;
const header = { 4: "ip", 6: "ip6" } as const;
const families = [4, 6] as const;
/**
 * Of a packet that came in by a link that is no pod's. Linux knows that link after routing since 5.7; the node's own packets
 * came in by none, and do not match.
 */
const passesThrough = notFromPod;
const wholeRange = {
  4: { family: 4, first: 0n, last: (1n << 32n) - 1n },
  6: { family: 6, first: 0n, last: (1n << 128n) - 1n },
} as const;

/** Returns the mark of packets that leave by way of the steer of that index. */
export function steerMark(index: number): number {
  return index << STEER_SHIFT;
}

/** Makes the table's `nat-…` objects what the plan wants. Nothing is written yet: see NftTable.pending. */
export function writeSnat(plan: SnatPlan, table: NftTable): void {
  new Writer(plan, table).write();
}

class Writer {
  readonly #plan: SnatPlan;
  readonly #table: NftTable;
  readonly #kept = new Set<string>();

  constructor(plan: SnatPlan, table: NftTable) {
    this.#plan = plan;
    this.#table = table;
  }

  write(): void {
    this.#chain("nat-postrouting", this.#dispatch(), {
      type: "nat",
      hook: "postrouting",
      priority: NAT_PRIORITY,
    });
    this.#steering();
    for (const name of this.#table.chainNames())
      if (name.startsWith("nat-") && !this.#kept.has(name)) this.#table.removeChain(name);
    for (const name of this.#table.setNames())
      if (name.startsWith("nat-") && !this.#kept.has(name)) this.#table.removeSet(name);
  }

  #dispatch(): string[] {
    const rules: string[] = [];
    const asked = families.filter(
      (family) =>
        this.#plan.ranges[family].length + this.#plan.subnets[family].length > 0 ||
        podsOf(this.#plan, family).length > 0,
    );
    for (const family of asked) {
      const pods = podsOf(this.#plan, family);
      const inside = this.#insideSet(family);
      if (inside !== undefined) rules.push(`${header[family]} daddr @${inside} accept`);
      // Stays while it is empty, so that a pod's arrival is an element and no change of rules.
      const own = `nat-pods${family}`;
      this.#hashMap(
        own,
        family,
        new Map(pods.map(([address, pod]) => [address, this.#podVerdict(pod, family)])),
      );
      rules.push(`${header[family]} saddr vmap @${own}`);
    }
    const maps = asked.flatMap((family) => {
      const verdicts = this.#plan.ranges[family].map(({ first, last, value }) => ({
        first,
        last,
        value: this.#baseVerdict(value),
      }));
      const map = this.#intervalMap("ranges", family, verdicts);
      return map === undefined ? [] : [{ family, rule: `${header[family]} saddr vmap @${map}` }];
    });
    const passing = this.#passing(maps.map(({ family }) => family));
    const ofSubnets = asked.flatMap((family) => this.#ofSubnets(family));
    return [...rules, ...passing, ...maps.map(({ rule }) => rule), ...ofSubnets];
  }

  /** Pods of subnets. Other machines have addresses there as well: what did not come from a pod's link is none of ours. */
  #ofSubnets(family: Family): string[] {
    const asking = this.#plan.subnets[family].flatMap(({ first, last, value }) => {
      const verdict = this.#baseVerdict(value);
      return verdict === "accept" ? [] : [{ first, last, value: verdict }];
    });
    const map = this.#intervalMap("subnets", family, asking);
    return map === undefined ? [] : [`${fromPod} ${header[family]} saddr vmap @${map}`];
  }

  /** Another node's pods, which their own node decides about: what passes here may be in the middle of a connection. */
  #passing(list: readonly Family[]): string[] {
    const homes = list.filter((family) => this.#plan.home[family].length > 0);
    if (list.length === 0 || homes.length === 0) return list.length === 0 ? [] : [`${passesThrough} accept`];
    return list.map((family) => {
      const home = this.#rangeSet("home", this.#plan.home[family], family);
      return `${passesThrough} ${header[family]} saddr != @${home} accept`;
    });
  }

  #insideSet(family: Family): string | undefined {
    const ranges = this.#plan.inside[family];
    return ranges.length === 0 ? undefined : this.#rangeSet("inside", ranges, family);
  }

  #rangeSet(what: string, ranges: readonly IpRange[], family: Family): string {
    const keys = ranges.map(rangeName);
    const name = this.#keep(`nat-${what}${family}-${digest(keys.join())}`);
    if (this.#table.hasSet(name)) return name;
    this.#table.setSet(name, { key: [addressType[family]], interval: true });
    for (const key of keys) this.#table.setElement(name, key);
    return name;
  }

  #baseVerdict(base: Base): string {
    if (base.type === "none") return "accept";
    if (base.type === "masquerade") return this.#verdict({ type: "masquerade" }, 4);
    return this.#configChain();
  }

  /** The ConfigMap's ranges stand once, whoever ends up asking for them. */
  #configChain(): string {
    const name = "nat-config";
    const { config } = this.#plan.config;
    if (this.#kept.has(name) || !config) return config ? `goto ${name}` : "accept";
    const rules: string[] = [];
    const others = config.othersMasqueraded ? this.#verdict({ type: "masquerade" }, 4) : "accept";
    for (const family of families) {
      const entries = [
        ...[...config.nonMasquerade, ...linkLocalEntries(config)].map(({ cidr }) => ({
          cidr,
          value: "accept",
        })),
        ...(config.masquerade ?? []).map(({ cidr }) => ({
          cidr,
          value: this.#verdict({ type: "masquerade" }, family),
        })),
      ];
      const segments = mostSpecific(entries, family).filter(({ value }) => value !== others);
      const map = this.#intervalMap("to", family, segments);
      if (map !== undefined) rules.push(`${header[family]} daddr vmap @${map}`);
    }
    this.#chain(name, [...rules, others]);
    return `goto ${name}`;
  }

  #podVerdict(pod: PodSource, family: Family): string {
    const base = this.#baseVerdict(pod.base);
    const segments = flatten(pod.clauses, family, (action) => this.#verdict(action, family));
    const [only] = segments;
    if (!only) return base;
    if (covers(only, family)) return only.value;
    const name = `nat-class-${digest([family, base, ...pod.clauses.map(({ key }) => key)].join("\n"))}`;
    const map = this.#intervalMap("to", family, segments);
    this.#chain(name, [`${header[family]} daddr vmap @${map}`, base]);
    return `goto ${name}`;
  }

  #verdict(action: Translation, family: Family): string {
    switch (action.type) {
      case "none":
      case "steer":
        return "accept";
      case "drop":
        return this.#dropChain();
      case "masquerade":
        return this.#translation("nat-masquerade", (ports) =>
          ports === "" ? "masquerade" : `masquerade to ${ports}`,
        );
      case "address": {
        const to = rangeText(action.range);
        const target = family === 6 ? `[${to.replace("-", "]-[")}]` : to;
        return this.#translation(
          `nat-address-${digest(to)}`,
          (ports) => `snat ${header[family]} to ${ports === "" ? to : target + ports}`,
        );
      }
    }
  }

  /** A nat chain is also asked about a reset that a REJECT on the node answers with: that comes from the pod, and goes home. */
  #dropChain(): string {
    this.#chain("nat-drop", ["ct direction reply accept", "drop"]);
    return "goto nat-drop";
  }

  /** A chain with the statement; with several port ranges one of them by lot, each as likely as it is large. */
  #translation(name: string, statement: (ports: string) => string): string {
    const verdict = `goto ${name}`;
    if (this.#kept.has(name)) return verdict;
    const { toPorts, randomFully } = this.#plan;
    const random = randomFully ? " fully-random" : "";
    const withPorts = (ports: string) => `meta l4proto { tcp, udp, sctp } ${statement(ports)}${random}`;
    const texts = toPorts.map(({ first, last }) => (first === last ? `:${first}` : `:${first}-${last}`));
    const rules = [statement("") + random];
    if (texts.length === 1) rules.unshift(withPorts(texts[0] ?? ""));
    if (texts.length > 1) {
      let sum = 0;
      const parts = toPorts.map(({ first, last }, at) => {
        const from = sum;
        sum += last - first + 1;
        this.#chain(`${name}-${at}`, [withPorts(texts[at] ?? "")]);
        return `${from}-${sum - 1} : goto ${name}-${at}`;
      });
      rules.unshift(`meta l4proto { tcp, udp, sctp } numgen random mod ${sum} vmap { ${parts.join(", ")} }`);
    }
    this.#chain(name, rules);
    return verdict;
  }

  /** Marks what must leave by way of another node, before the kernel routes it. */
  #steering(): void {
    const index = new Map(this.#plan.steers.map((steer) => [steer.holder, steer.index]));
    const rules: string[] = [];
    for (const family of families) {
      const elements = new Map<string, string>();
      for (const [address, pod] of podsOf(this.#plan, family)) {
        if (!pod.clauses.some(({ action }) => action.type === "steer")) continue;
        const verdict = this.#steerVerdict(pod, family, index);
        if (verdict !== undefined) elements.set(address, verdict);
      }
      if (elements.size === 0) continue;
      const inside = this.#insideSet(family);
      if (inside !== undefined) rules.push(`${header[family]} daddr @${inside} accept`);
      this.#hashMap(`nat-steered${family}`, family, elements);
      rules.push(`${header[family]} saddr vmap @nat-steered${family}`);
    }
    if (rules.length === 0) return;
    // Replies go back the way that the request came: only the side that opens a connection is translated.
    this.#chain("nat-steer", ["ct direction reply accept", ...rules], {
      type: "filter",
      hook: "prerouting",
      priority: STEER_PRIORITY,
    });
  }

  /** Returns undefined for a pod that asks for nothing towards destinations of that family. */
  #steerVerdict(pod: PodSource, family: Family, index: ReadonlyMap<string, number>): string | undefined {
    const segments = flatten(pod.clauses, family, (action) => {
      const number = action.type === "steer" ? index.get(action.holder) : undefined;
      return number === undefined ? "accept" : this.#viaChain(number);
    });
    const [only] = segments;
    if (!only) return undefined;
    if (covers(only, family)) return only.value;
    const map = this.#intervalMap("to", family, segments);
    const name = `nat-steer-${digest(String(map))}`;
    this.#chain(name, [`${header[family]} daddr vmap @${map}`]);
    return `goto ${name}`;
  }

  #viaChain(index: number): string {
    const keep = (~STEER_MASK >>> 0).toString(16);
    this.#chain(`nat-via-${index}`, [
      `meta mark set mark and 0x${keep} or 0x${steerMark(index).toString(16)}`,
    ]);
    return `goto nat-via-${index}`;
  }

  #chain(name: string, rules: readonly string[], base?: Parameters<NftTable["setChain"]>[1]["base"]): void {
    this.#table.setChain(this.#keep(name), base ? { base, rules } : { rules });
  }

  #hashMap(name: string, family: Family, elements: ReadonlyMap<string, string>): void {
    this.#table.setSet(this.#keep(name), { key: [addressType[family]], value: "verdict" });
    this.#table.setElements(name, elements);
  }

  #intervalMap(what: string, family: Family, segments: readonly Segment<string>[]): string | undefined {
    if (segments.length === 0) return undefined;
    const elements = segments.map(
      ({ first, last, value }) => [rangeName({ family, first, last }), value] as const,
    );
    const name = this.#keep(`nat-${what}${family}-${digest(elements.map((pair) => pair.join(" ")).join())}`);
    if (this.#table.hasSet(name)) return name;
    // A restart then leaves it alone: a new interval map finds nothing until its transaction has ended.
    this.#table.setSet(name, {
      key: [addressType[family]],
      value: "verdict",
      interval: true,
    });
    for (const [key, value] of elements) this.#table.setElement(name, key, value);
    return name;
  }

  #keep(name: string): string {
    this.#kept.add(name);
    return name;
  }
}

function podsOf(plan: SnatPlan, family: Family): [string, PodSource][] {
  return [...plan.pods].filter(([address]) => address.includes(":") === (family === 6));
}

function flatten(
  clauses: readonly Clause[],
  family: Family,
  verdict: (action: Translation) => string,
): Segment<string>[] {
  const layers: { ranges: readonly IpRange[]; value: string }[] = [];
  for (const clause of clauses) {
    if (clause.family !== undefined && clause.family !== family) continue;
    const ranges =
      clause.destinations === "all"
        ? [wholeRange[family]]
        : clause.destinations.map((cidr) => cidrRange(cidr));
    layers.push({ ranges, value: verdict(clause.action) });
    // What follows can never match; writing it down would keep unused chains.
    if (clause.destinations === "all") break;
  }
  return layered(layers, family);
}

function covers(segment: Segment<unknown>, family: Family): boolean {
  return segment.first === 0n && segment.last === wholeRange[family].last;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
