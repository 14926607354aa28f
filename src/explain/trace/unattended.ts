// A node whose agent does not serve may not do what objects say by now. Its kernel's own rules tell: what a packet meets
// there is put beside what it would meet if the agent had written the rules of today. Where that differs, nothing is sure.
import { formatIp, type IpRange } from "../../base/ip.ts";
import { POD_LINK_GROUP } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Hook, HookPacket } from "../../plan/foreign/index.ts";
import { NotUnderstood, type TraceLink } from "../../plan/trace/packet.ts";
import type { TraceTable } from "../../plan/trace/table.ts";
import { trace } from "../../plan/trace/trace.ts";
import { podLink } from "../ground/ground.ts";
import type { Behind } from "../judges/judge.ts";
import { podLinkOf } from "./pod-links.ts";
import { renderedRules } from "./rendered.ts";

/** A node on which nobody brings the rules up to date. */
export interface UnattendedNode {
  /** In words: `its agent does not answer: …`. */
  readonly why: string;
  /** Our own table as its kernel has it. */
  readonly table: TraceTable;
}

/** Returns what compares; `nodes` by name. */
export function behindOf(facts: ClusterFacts, nodes: ReadonlyMap<string, UnattendedNode>): Behind {
  const planned = new Map<string, TraceTable>();
  return (node, hook, packet) => {
    const known = nodes.get(node);
    if (!known) return undefined;
    const wanted = planned.get(node) ?? renderedRules(facts, node).table;
    planned.set(node, wanted);
    const now = outcome(known.table, hook, packet);
    return now !== undefined && now === outcome(wanted, hook, packet)
      ? undefined
      : `what node/${node} does with it: ${known.why}, and it has not done yet what objects ask for`;
  };
}

/** Returns what comes of a packet; undefined: a rule on its way is not understood. */
function outcome(table: TraceTable, hook: Hook, packet: HookPacket): string | undefined {
  const { source, destination, protocol, port, state } = packet;
  const incoming = linkOf(table, packet.in, source);
  const outgoing = linkOf(table, packet.out, destination);
  try {
    const { verdict, translation, mark } = trace(table, [hook], {
      source: first(source),
      destination: first(destination),
      protocol: protocol ?? 0,
      ...(port !== undefined && { port }),
      ...(incoming && { in: incoming }),
      ...(outgoing && { out: outgoing }),
      state,
    });
    return JSON.stringify([verdict, translation, mark]);
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

const first = ({ family, first: value }: IpRange) => ({ family, value });

/** Pods' links have other names in the plan than on the node. */
function linkOf(table: TraceTable, name: string | undefined, end: IpRange): TraceLink | undefined {
  if (name === "") return undefined;
  if (name === podLink.name) return podLinkOf(table, formatIp(first(end)));
  return { name: name ?? "unknown", group: name?.startsWith("tl") ? POD_LINK_GROUP : 0 };
}
