// Names for who types a question: those that hold what was typed, the ones that begin with it first.
import { isTerminal } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { EndsAnswer } from "../api.ts";
import { workloadOf } from "../workload.ts";
import { count, optional } from "./query.ts";

const USUAL = 20;
const MOST = 200;

/** Returns at most `limit` names; a cluster has too many for a list to choose from. */
export function endsAnswer(facts: ClusterFacts, query: URLSearchParams): EndsAnswer {
  const limit = count(query, "limit", USUAL, MOST);
  const word = (optional(query, "q") ?? "").toLowerCase();
  const first: string[] = [];
  const rest: string[] = [];
  const seen = new Set<string>();
  for (const name of namesOf(facts)) {
    if (first.length >= limit) break;
    const at = name.toLowerCase().indexOf(word);
    if (at < 0 || seen.has(name)) continue;
    seen.add(name);
    const isStart = at === 0 || name.slice(0, at).endsWith("/");
    if (isStart) first.push(name);
    else if (rest.length < limit) rest.push(name);
  }
  return { ends: [...first, ...rest].slice(0, limit) };
}

function* namesOf(facts: ClusterFacts): Generator<string> {
  for (const host of facts.hosts.values())
    yield `${host.spec.role === "router" ? "router" : "host"}/${host.metadata.name}`;
  for (const name of facts.nodes.keys()) yield `node/${name}`;
  for (const pod of facts.pods.values()) {
    const { kind, namespace, name } = workloadOf(pod);
    if (kind !== "Pod") yield `${kind.toLowerCase()}/${namespace}/${name}`;
  }
  for (const [key, pod] of facts.pods) if (!isTerminal(pod)) yield `pod/${key}`;
}
