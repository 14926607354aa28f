// Pods that no policy can tell apart are judged once: thousands of replicas cost as much as one.
import { type Cidr, cidrContains, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, isOnNode } from "../ends.ts";
import { declaredPorts } from "../manifests/workloads.ts";
import { namedRanges } from "./ranges.ts";

/** Returns a function that gives ends which all policies treat alike the same number. */
export function classifier(facts: ClusterFacts): (end: End) => number {
  const ranges = namedRanges(facts);
  const numbers = new Map<string, number>();
  const known = new Map<End, number>();
  return (end) => {
    const before = known.get(end);
    if (before !== undefined) return before;
    const key = classKey(end, ranges);
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    known.set(end, number);
    return number;
  };
}

function classKey(end: End, ranges: readonly Cidr[]): string {
  // Traffic of a node is judged by which node it is.
  if (end.type !== "pod" || isOnNode(end)) return end.name;
  const { metadata, spec } = end.pod;
  const labels = Object.entries(metadata.labels ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
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
