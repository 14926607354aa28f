// Pods that no policy can tell apart are judged once: thousands of replicas cost as much as one.
import { type Cidr, cidrContains, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type CompiledPolicy, compilePolicy } from "../../plan/policy/index.ts";
import { type End, isOnNode } from "../ends.ts";
import { declaredPorts } from "../manifests/workloads.ts";
import { namedRanges } from "./ranges.ts";

/** Returns a function that gives ends which all policies treat alike the same number. */
export function classifier(facts: ClusterFacts): (end: End) => number {
  const ranges = namedRanges(facts);
  const keys = selectedKeys(facts);
  const numbers = new Map<string, number>();
  const known = new Map<End, number>();
  return (end) => {
    const before = known.get(end);
    if (before !== undefined) return before;
    const key = classKey(end, ranges, keys);
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    known.set(end, number);
    return number;
  };
}

/** Returns the labels that selectors of pods look at: of all others every pod may have its own. */
function selectedKeys(facts: ClusterFacts): ReadonlySet<string> {
  const keys = new Set<string>();
  const look = ({ requirements }: CompiledPolicy["subject"]) => {
    for (const { key } of requirements) keys.add(key);
  };
  for (const policy of facts.policies.values()) {
    const { subject, ingress = [], egress = [] } = compilePolicy(policy);
    look(subject);
    for (const { peers } of [...ingress, ...egress])
      if (peers !== "any") for (const peer of peers) if (peer.kind === "pods") look(peer.pods);
  }
  return keys;
}

function classKey(end: End, ranges: readonly Cidr[], keys: ReadonlySet<string>): string {
  // Traffic of a node is judged by which node it is.
  if (end.type !== "pod" || isOnNode(end)) return end.name;
  const { metadata, spec } = end.pod;
  const labels = Object.entries(metadata.labels ?? {})
    .filter(([key]) => keys.has(key))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const ports = declaredPorts(spec).map(({ name, containerPort, protocol }) => [
    name,
    containerPort,
    protocol,
  ]);
  const within = end.addresses.map((text) => {
    const ip = tryParseIp(text);
    return ranges.map((range) => (ip && cidrContains(range, ip) ? 1 : 0)).join("");
  });
  return JSON.stringify([metadata.namespace, spec.nodeName, labels, ports, within]);
}
