// The plans that answers are read from, made once for a set of facts and only when they are asked for.
import { type ClusterFacts, type NodeFacts, nodeIps } from "../plan/facts.ts";
import { decideSnat, planSnat, type SnatPlan } from "../plan/snat/index.ts";
import { nodeOf } from "./ends.ts";
import type { Flow, Judges, SourceDecision } from "./judge.ts";
import { policyJudge } from "./policy-judge.ts";

/** Returns what decides flows among these facts. */
export function judgesOf(facts: ClusterFacts): Judges {
  const plans = new Map<string, SnatPlan>();
  const planOf = (node: string) => {
    const known = plans.get(node) ?? planSnat(facts, nodeFacts(facts, node));
    plans.set(node, known);
    return known;
  };
  return { policies: policyJudge(facts), source: (flow) => decideSource(planOf, flow) };
}

/** What can be known of a node without being on it: enough for plans that do not depend on interfaces' names. */
function nodeFacts(facts: ClusterFacts, name: string): NodeFacts {
  const node = facts.nodes.get(name);
  return { node: name, addresses: node ? nodeIps(node) : [], uplink: "", endpoints: new Map() };
}

function decideSource(
  planOf: (node: string) => SnatPlan,
  { from, to, source, destination }: Flow & { source: string; destination: string },
): SourceDecision {
  const node = nodeOf(from);
  if (node === undefined) {
    return {
      action: "None",
      sourceSeen: source,
      reason: `${from.name} is outside of the cluster: only pods' traffic is translated`,
    };
  }
  if (from.name === to.name)
    return { action: "None", sourceSeen: source, reason: "the packet never leaves the pod" };
  const { action, sourceSeen, reason, object, line, path, by } = decideSnat(planOf(node), {
    source,
    destination,
  });
  return {
    action,
    sourceSeen,
    reason,
    ...(object === undefined ? {} : { object }),
    ...(line === undefined ? {} : { line }),
    ...(path === undefined ? {} : { path }),
    ...(by === undefined ? {} : { by }),
  };
}
