// The cluster as a picture: who is where, without places, which are the page's own.
import { isTerminal, type Node, type Pod, podIps } from "../../api/kinds/core.ts";
import { formatIp, looseCidr, tryParseIp } from "../../base/ip.ts";
import { formatPort } from "../../explain/ports.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import type { MapAnswer, MapNode, MapPod, MapRange, MapWorkload } from "../api.ts";
import { workloadName, workloadOf } from "../workload.ts";

const ZONE = "topology.kubernetes.io/zone";

/** Returns the map of all that is not over. */
export function mapAnswer(facts: ClusterFacts, revision: number): MapAnswer {
  const nodes = [...facts.nodes.values()].map(nodeOf).toSorted(byName);
  const ranges = rangesOf(facts);
  const nodeNumbers = new Map(nodes.map(({ name }, at) => [name, at]));
  const workloads: MapWorkload[] = [];
  const workloadNumbers = new Map<string, number>();
  const rangeAt = rangeFinder(ranges);
  const row = (pod: Pod): MapPod => {
    const workload = workloadOf(pod);
    const name = workloadName(workload);
    const number = workloadNumbers.get(name) ?? workloads.push(workload) - 1;
    workloadNumbers.set(name, number);
    const [address = null] = podIps(pod);
    const phase =
      pod.metadata.deletionTimestamp === undefined ? (pod.status?.phase ?? "Pending") : "Terminating";
    return [
      pod.metadata.name,
      number,
      nodeNumbers.get(pod.spec.nodeName ?? "") ?? -1,
      address === null || pod.spec.hostNetwork === true ? -1 : rangeAt(address),
      address,
      phase,
    ];
  };
  const live = [...facts.pods].filter(([, pod]) => !isTerminal(pod)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    revision,
    nodes,
    outside: [...facts.hosts.values()]
      .map(({ metadata, spec }) => ({
        name: metadata.name,
        role: spec.role ?? "host",
        addresses: spec.addresses,
        ports: (spec.ports ?? []).map(({ port, protocol = "TCP" }) => formatPort({ port, protocol })),
        admit: spec.admit ?? null,
      }))
      .toSorted(byName),
    ranges,
    pods: live.map(([, pod]) => row(pod)),
    workloads,
  };
}

function nodeOf(node: Node): MapNode {
  const { name, labels } = node.metadata;
  const ready = (node.status?.conditions ?? []).find(({ type }) => type === "Ready");
  return {
    name,
    zone: labels?.[ZONE] ?? null,
    addresses: nodeIps(node),
    // Where nobody says so (a lab's nodes at first), it is not known to be away.
    ready: ready === undefined || ready.status === "True",
  };
}

function rangesOf(facts: ClusterFacts): MapRange[] {
  const blocks = [...facts.blocks.values()].map(({ metadata, spec }) => ({
    kind: "block" as const,
    cidr: spec.cidr,
    name: metadata.name,
    pool: spec.pool,
    zone: null,
    node: spec.node,
  }));
  const subnets = [...facts.subnets.values()].map(({ metadata, spec }) => ({
    kind: "subnet" as const,
    cidr: spec.cidr,
    name: metadata.name,
    pool: null,
    zone: spec.zone,
    node: null,
  }));
  return [...subnets.toSorted(byName), ...blocks.toSorted(byName)];
}

/** Returns what finds the number of the narrowest range that holds an address; by their lengths, as there are thousands of both. */
export function rangeFinder(ranges: readonly { readonly cidr: string }[]): (address: string) => number {
  const byLength = new Map<string, Map<string, number>>();
  for (const [number, { cidr }] of ranges.entries()) {
    const parsed = looseCidr(cidr);
    if (!parsed) continue;
    const key = `${parsed.family} ${parsed.length}`;
    const same = byLength.get(key) ?? new Map<string, number>();
    byLength.set(key, same.set(formatIp({ family: parsed.family, value: parsed.base }), number));
  }
  const lengths = [...byLength.keys()]
    .map((key) => key.split(" ").map(Number) as [number, number])
    .toSorted(([, a], [, b]) => b - a);
  return (address) => {
    const ip = tryParseIp(address);
    if (!ip) return -1;
    for (const [family, length] of lengths) {
      if (family !== ip.family) continue;
      const bits = BigInt((family === 4 ? 32 : 128) - length);
      const base = formatIp({ family: ip.family, value: (ip.value >> bits) << bits });
      const number = byLength.get(`${family} ${length}`)?.get(base);
      if (number !== undefined) return number;
    }
    return -1;
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
