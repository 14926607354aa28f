// Through which nodes' own rules a flow's first packet goes, and what each of them does to it: the explanation's answers,
// rule by rule.
import { type Ip, parseIp } from "../../base/ip.ts";
import type { Ruleset } from "../../plan/foreign/index.ts";
import { NotUnderstood, protocolNumbers, type TraceLink, type TracePacket } from "../../plan/trace/packet.ts";
import type { TraceTable } from "../../plan/trace/table.ts";
import { type TraceStep, trace } from "../../plan/trace/trace.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";
import type { Explanation } from "../explain.ts";
import type { Port } from "../ports.ts";
import { foreignOn } from "./foreign.ts";
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

interface Place {
  readonly node: string;
  readonly where: TracedStop["where"];
  readonly fromPod: boolean;
  readonly toPod: boolean;
}

/** Walks a flow through the nodes on its way, until one stops it. `rulesOf`: undefined where nothing is known of a node. */
export function traceStops(
  flow: TracedFlow,
  { snat, sourceSeen }: Pick<Explanation, "snat" | "sourceSeen">,
  rulesOf: (node: string) => NodeRules | undefined,
): TracedStop[] {
  const out: TracedStop[] = [];
  let source = flow.source;
  for (const place of placesOf(flow, snat.by)) {
    const rules = rulesOf(place.node);
    if (!rules) continue;
    const stop = stopAt(place, rules, flow, source);
    const foreign = out.length === 0 && stop.verdict === "accept" ? snat.foreignRule : undefined;
    out.push(foreign === undefined ? stop : withForeign(stop, foreign, sourceSeen));
    if (stop.verdict !== "accept") break;
    // From the first translation on the packet has the address that the far side sees.
    if (stop.translation !== null || foreign !== undefined) source = sourceSeen ?? source;
  }
  return out;
}

function placesOf({ from, to }: TracedFlow, by: string | undefined): Place[] {
  const [first, last] = [nodeOf(from), nodeOf(to)];
  const [fromPod, toPod] = [isPod(from), isPod(to)];
  const places: Place[] = [];
  if (first !== undefined && first === last) {
    const where = fromPod ? (toPod ? "forward" : "input") : "output";
    return [{ node: first, where, fromPod, toPod }];
  }
  if (first !== undefined)
    places.push({ node: first, where: fromPod ? "forward" : "output", fromPod, toPod: false });
  if (by !== undefined && by !== first && by !== last)
    places.push({ node: by, where: "forward", fromPod: false, toPod: false });
  if (last !== undefined)
    places.push({ node: last, where: toPod ? "forward" : "input", fromPod: false, toPod });
  return places;
}

function isPod(end: End): boolean {
  return end.type === "pod" && !isOnNode(end);
}

const hooks = {
  output: ["output", "postrouting"],
  forward: ["prerouting", "forward", "postrouting"],
  input: ["prerouting", "input"],
} as const;

function stopAt(place: Place, nodeRules: NodeRules, flow: TracedFlow, sender: string): TracedStop {
  const { table, from } = nodeRules;
  const { node, where } = place;
  const [source, destination] = [parseIp(sender), parseIp(flow.destination)];
  const about = { node, where, rules: from };
  try {
    const packet: TracePacket = {
      source,
      destination,
      protocol: protocolOf(flow.port, source),
      ...(flow.port && { port: flow.port.port }),
      ...(where !== "output" && { in: place.fromPod ? podLinkOf(table, flow.source) : uplink }),
      ...(where !== "input" && { out: place.toPod ? podLinkOf(table, flow.destination) : uplink }),
    };
    return { ...about, ...throughHooks(hooks[where], packet, nodeRules) };
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    return { ...about, verdict: null, translation: null, steps: [], why: error.message };
  }
}

/** On each hook our own chains are asked, which come first on all but the last, and then the others'. */
function throughHooks(
  list: readonly string[],
  packet: TracePacket,
  { table, others, isLocal = () => false }: NodeRules,
): Pick<TracedStop, "verdict" | "translation" | "steps" | "why"> {
  const steps: TraceStep[] = [];
  let translation: string | null = null;
  for (const hook of list) {
    const own = trace(table, [hook], packet);
    steps.push(...own.steps);
    translation ??= own.translation ?? null;
    if (own.verdict !== "accept") return { verdict: own.verdict, translation, steps };
    const foreign = foreignOn(others, hook, packet, isLocal);
    steps.push(...foreign.steps);
    if (foreign.verdict === null) return { verdict: null, translation, steps, why: foreign.why ?? "" };
    if (foreign.verdict !== "accept") return { verdict: foreign.verdict, translation, steps };
  }
  return { verdict: "accept", translation, steps };
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
