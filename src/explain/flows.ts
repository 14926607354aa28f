// Whether open connections of two ends go through flow tables (plan/flow), node by node, or why not.
import type { ClusterFacts } from "../plan/facts.ts";
import { flowStateOf, whyNoFlows } from "../plan/flow/setting.ts";
import { routeTo } from "../plan/routing/plan-routes.ts";
import { type End, isOnNode, nodeOf } from "./ends.ts";
import type { SourceDecision } from "./judges/judge.ts";
import type { Port } from "./ports.ts";

export interface FlowTableUse {
  readonly node: string;
  /** Packets of the connection pass the rules by once both ends have spoken. */
  readonly offloaded: boolean;
  /** One sentence. */
  readonly reason: string;
}

export interface AskedFlow {
  readonly from: End;
  readonly to: End;
  readonly source: string;
  readonly destination: string;
  /** undefined: an ICMP echo. */
  readonly port: Port | undefined;
}

/**
 * Returns what nodes do that have pods at the ends; none for a node that says nothing of flow tables, as one does whose
 * kernel has none.
 */
export function flowTableUse(
  facts: ClusterFacts,
  flow: AskedFlow,
  { by }: Pick<SourceDecision, "by">,
): readonly FlowTableUse[] {
  const { from, to, port } = flow;
  if (from.name === to.name || port === undefined || port.protocol === "SCTP") return [];
  const nodes = new Set([from, to].flatMap((end) => (isOnNode(end) ? [] : (nodeOf(end) ?? []))));
  return [...nodes].flatMap((node): FlowTableUse[] => {
    const object = facts.nodes.get(node);
    const state = object && flowStateOf(object);
    if (state === undefined) return [];
    const why = state.on ? whyNot(facts, node, flow, by) : state.why;
    if (why !== undefined) return [{ node, offloaded: false, reason: why }];
    return [
      { node, offloaded: true, reason: "once it is established its packets go through the flow table" },
    ];
  });
}

/** What speaks against it on a node whose flow table is in force. */
function whyNot(
  facts: ClusterFacts,
  node: string,
  { from, to, source, destination }: AskedFlow,
  by: string | undefined,
): string | undefined {
  for (const end of [from, to]) {
    if (nodeOf(end) !== node) continue;
    if (isOnNode(end)) return `one end of it is node ${node} itself`;
    const why = end.type === "pod" ? whyNoFlows(facts, end.pod, end.addresses) : undefined;
    if (why !== undefined) return `${end.name}: ${why}`;
  }
  if (by !== undefined && by !== node) return `node ${by} translates it, to which a mark leads its packets`;
  const away = nodeOf(from) === node ? destination : source;
  const tunnel = routeTo(facts, node, away)?.tunnel;
  return tunnel && `it goes through the tunnel ${tunnel.device}`;
}
