// Through which nodes' own rules a flow's first packet goes, and what each of them does to it: the explanation's answers,
// rule by rule.
import { formatIp, type Ip, parseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Ruleset } from "../../plan/foreign/index.ts";
import { NotUnderstood, protocolNumbers, type TraceLink, type TracePacket } from "../../plan/trace/packet.ts";
import type { TraceTable } from "../../plan/trace/table.ts";
import { type TraceStep, trace } from "../../plan/trace/trace.ts";
import { type End, endAt, isOnNode, nodeOf } from "../ends.ts";
import type { Explanation } from "../explain.ts";
import type { Port } from "../ports.ts";
import { type ForeignOutcome, foreignOn } from "./foreign.ts";
import { podLinkOf } from "./pod-links.ts";

/** What one node's rules do. */
export interface TracedStop {
  readonly node: string;
  /** output: the node sends it; input: it is for the node; forward: it passes the node. */
  readonly where: "output" | "forward" | "input";
  /** kernel: as the kernel has them, with counters; plan: as they would be written. */
  readonly rules: "kernel" | "plan";
  /** null: a rule on its way is not understood. */
  readonly verdict: "accept" | "drop" | "reject" | null;
  readonly translation: string | null;
  readonly steps: readonly TraceStep[];
  /** Why there is no verdict. */
  readonly why?: string;
}

export interface NodeRules {
  readonly table: TraceTable;
  readonly from: TracedStop["rules"];
  /** Other programs' rules, where somebody has looked. */
  readonly others?: Ruleset;
  /** Whether an address is the node's own. */
  readonly isLocal?: (address: string) => boolean;
}

export interface TracedFlow {
  readonly from: End;
  readonly to: End;
  readonly source: string;
  readonly destination: string;
  /** undefined: an ICMP echo. */
  readonly port: Port | undefined;
}

const uplink: TraceLink = { name: "uplink", group: 0 };

/** A flow's packet as it is at a node. */
interface Traveller {
  readonly source: Ip;
  readonly destination: Ip;
  readonly to: End;
  readonly port: Port | undefined;
}

/**
 * Walks a flow through the nodes on its way, until one stops it; where other programs' rules send it elsewhere it is followed.
 * @param rulesOf undefined where nothing is known of a node
 */
export function traceStops(
  facts: ClusterFacts,
  flow: TracedFlow,
  { snat, sourceSeen }: Pick<Explanation, "snat" | "sourceSeen">,
  rulesOf: (node: string) => NodeRules | undefined,
): TracedStop[] {
  const out: TracedStop[] = [];
  const passed = new Set<string>();
  let now: Traveller = { ...flow, source: parseIp(flow.source), destination: parseIp(flow.destination) };
  for (;;) {
    const node = nextNode(flow.from, now.to, snat.by, passed);
    if (node === undefined) return out;
    passed.add(node);
    const rules = rulesOf(node);
    if (!rules) continue;
    const visit = new Visit(facts, node, rules, flow, now);
    const stop = visit.pass();
    const foreign = out.length === 0 && stop.verdict === "accept" ? snat.foreignRule : undefined;
    out.push(foreign === undefined ? stop : withForeign(stop, foreign, sourceSeen));
    if (stop.verdict !== "accept") return out;
    now = visit.now;
    // From the first translation on the packet has the address that the far side sees.
    const isTranslated = stop.translation !== null || foreign !== undefined;
    if (isTranslated && sourceSeen !== null) now = { ...now, source: parseIp(sourceSeen) };
  }
}

/** The sender's node, the one that translates for it, the receiver's: each once. */
function nextNode(from: End, to: End, by: string | undefined, passed: Set<string>): string | undefined {
  const [first, last] = [nodeOf(from), nodeOf(to)];
  const between = by === last || first === last ? undefined : by;
  return [first, between, last].find((node) => node !== undefined && !passed.has(node));
}

function isPod(end: End): boolean {
  return end.type === "pod" && !isOnNode(end);
}

type TraceHook = "prerouting" | "output" | "input" | "forward" | "postrouting";

/** A packet's way through one node. */
class Visit {
  /** As it has become. */
  now: Traveller;
  readonly #facts: ClusterFacts;
  readonly #node: string;
  readonly #rules: NodeRules;
  /** The link that it came by; undefined: the node sends it itself. */
  readonly #in: TraceLink | undefined;
  readonly #steps: TraceStep[] = [];
  #translation: string | null = null;
  #isMoved = false;

  constructor(facts: ClusterFacts, node: string, rules: NodeRules, flow: TracedFlow, now: Traveller) {
    this.#facts = facts;
    this.#node = node;
    this.#rules = rules;
    this.now = now;
    const isHome = nodeOf(flow.from) === node;
    if (isHome && isPod(flow.from)) this.#in = podLinkOf(rules.table, flow.source);
    else if (!isHome) this.#in = uplink;
  }

  /** On each hook our own chains are asked, which come first on all but the last, and then the others'. */
  pass(): TracedStop {
    try {
      let hook: TraceHook | undefined = this.#in ? "prerouting" : "output";
      for (; hook !== undefined; hook = this.#after(hook)) {
        const own = trace(this.#rules.table, [hook], this.#packet());
        this.#steps.push(...own.steps);
        this.#translation ??= own.translation ?? null;
        if (own.verdict !== "accept") return this.#stop(own.verdict);
        const foreign = this.#askOthers(hook);
        if (foreign.verdict !== "accept") return this.#stop(foreign.verdict, foreign.why);
      }
      return this.#stop("accept");
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      return this.#stop(null, error.message);
    }
  }

  #askOthers(hook: TraceHook): ForeignOutcome {
    const { others, isLocal = () => false } = this.#rules;
    const foreign = foreignOn(others, hook, this.#packet(), isLocal, this.#isMoved);
    this.#steps.push(...foreign.steps);
    if (foreign.moved) {
      const { destination, port } = foreign.moved;
      const to = endAt(this.#facts, formatIp(destination));
      const now = this.now.port;
      this.now = { ...this.now, destination, to, port: now && { ...now, port: port ?? now.port } };
      this.#isMoved = true;
    }
    return foreign;
  }

  #after(hook: TraceHook): TraceHook | undefined {
    if (hook === "prerouting") return this.#where() === "input" ? "input" : "forward";
    return hook === "output" || hook === "forward" ? "postrouting" : undefined;
  }

  #where(): TracedStop["where"] {
    if (!this.#in) return "output";
    return nodeOf(this.now.to) === this.#node && !isPod(this.now.to) ? "input" : "forward";
  }

  #packet(): TracePacket {
    const { source, destination, port, to } = this.now;
    const toPod = isPod(to) && nodeOf(to) === this.#node;
    return {
      source,
      destination,
      protocol: protocolOf(port, source),
      ...(port && { port: port.port }),
      ...(this.#in && { in: this.#in }),
      ...(this.#where() !== "input" && {
        out: toPod ? podLinkOf(this.#rules.table, formatIp(destination)) : uplink,
      }),
    };
  }

  #stop(verdict: TracedStop["verdict"], why?: string): TracedStop {
    return {
      node: this.#node,
      where: this.#where(),
      rules: this.#rules.from,
      verdict,
      translation: this.#translation,
      steps: this.#steps,
      ...(why !== undefined && { why }),
    };
  }
}

function protocolOf(port: Port | undefined, { family }: Ip): number {
  const name = port === undefined ? (family === 4 ? "icmp" : "icmpv6") : port.protocol.toLowerCase();
  return protocolNumbers[name] ?? 0;
}

function withForeign(stop: TracedStop, rule: string, sourceSeen: string | null): TracedStop {
  const does = `translates the source to ${sourceSeen ?? "another address"}`;
  const step = { hook: "postrouting", chain: "of another program", rule, does };
  return { ...stop, steps: [...stop.steps, step] };
}

/** Returns the stops as text, a rule a line. */
export function traceText(stops: readonly TracedStop[]): string {
  if (stops.length === 0) return "\ntrace: the packet goes through no node's rules\n";
  return stops.map((stop) => stopText(stop)).join("");
}

function stopText({ node, where, rules, verdict, translation, steps, why }: TracedStop): string {
  const ways = { output: "sent by", forward: "forwarded by", input: "taken in by" };
  const whose = rules === "kernel" ? "rules as its kernel has them" : "rules as they would be written";
  const lines = steps.map(({ hook, chain, rule, element, counter, does }) => {
    const found = element === undefined ? "" : `  [${element}]`;
    const counted = counter === undefined ? "" : `  (${counter.packets} packets)`;
    return `  ${hook.padEnd(11)} ${chain}: ${rule ?? "(end)"}${found} → ${does}${counted}\n`;
  });
  const end = verdict ?? `cannot tell: ${why}`;
  return `\ntrace, ${ways[where]} ${node}, ${whose}:\n${lines.join("")}  ⇒ ${end}${translation === null ? "" : `, ${translation}`}\n`;
}
