// The ranges that a destination must admit for a workload's connections: of a subnet the whole of it, since the next pod
// may have any of its addresses; of pools the blocks that pods are in; and where sources are translated, what is seen.
import { isTerminal } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { cidrCovers, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { podNetworkingAnnotation } from "../../plan/subnets/demand.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { holderOf } from "../../plan/subnets/pod-eni/ledger.ts";
import { isHeld } from "../../plan/subnets/pod-eni/words.ts";
import { type End, isOnNode, nodeOf, podEnd, podsOf } from "../ends.ts";
import { explain } from "../explain.ts";
import type { Judges } from "../judge.ts";
import type { Port } from "../ports.ts";

export interface RangeSource {
  readonly range: string;
  readonly why: string;
}

/** Where a source is one address of a subnet, all of that may be admitted instead, for the addresses to come. */
interface FoundSource extends RangeSource {
  readonly wider?: RangeSource;
}

export interface Allowlist {
  /** `host/db` */
  readonly to: string;
  /** `deployment/default/nginx-fixed`; null: all pods. */
  readonly for: string | null;
  readonly ranges: readonly string[];
  /** Those that the destination is known to admit, and those that it is known not to. */
  readonly admitted: readonly string[];
  readonly missing: readonly string[];
  readonly sources: readonly RangeSource[];
  /** Pods of which nothing can be told, and why. */
  readonly unknown: readonly string[];
}

export interface Workload {
  /** Kind as the API writes it. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Returns what `to` must admit for the pods of a workload, or for all pods. */
export function allowlist(
  facts: ClusterFacts,
  judges: Judges,
  to: End,
  port: Port | "icmp" | undefined,
  workload?: Workload,
): Allowlist {
  const found = new Map<string, string>();
  const wider = new Map<string, RangeSource>();
  const unknown: string[] = [];
  for (const end of endsOf(facts, workload)) {
    const sources = sourcesOf(facts, judges, end, to, port);
    if (typeof sources === "string") unknown.push(`${end.name}: ${sources}`);
    else
      for (const { range, why, wider: choice } of sources) {
        if (!found.has(range)) found.set(range, why);
        if (choice) wider.set(choice.range, choice);
      }
  }
  const ranges = widest([...found.keys()]).toSorted(compare);
  const admit = to.type === "host" ? to.host.spec.admit : undefined;
  const isAdmitted = (range: string) => admit === undefined || admit.some((one) => covers(one, range));
  return {
    to: to.name,
    for: workload ? `${workload.kind.toLowerCase()}/${workload.namespace}/${workload.name}` : null,
    ranges,
    admitted: to.type === "host" ? ranges.filter(isAdmitted) : [],
    missing: ranges.filter((range) => !isAdmitted(range)),
    sources: [
      ...ranges.map((range) => ({ range, why: found.get(range) ?? "" })),
      ...[...wider.values()].filter(({ range }) => !ranges.includes(range)),
    ],
    unknown,
  };
}

function endsOf(facts: ClusterFacts, workload: Workload | undefined): End[] {
  const { kind, namespace, name } = workload ?? {};
  const pods =
    kind === undefined
      ? [...facts.pods.values()]
      : kind === "Pod"
        ? [facts.pods.get(`${namespace}/${name}`)].flatMap((pod) => pod ?? [])
        : podsOf(facts, kind, namespace ?? "", name ?? "");
  return pods
    .filter((pod) => !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
    .map((pod) => podEnd(pod));
}

/** Returns the ranges of one pod, or why nothing can be told. */
function sourcesOf(
  facts: ClusterFacts,
  judges: Judges,
  end: End,
  to: End,
  port: Port | "icmp" | undefined,
): readonly FoundSource[] | string {
  if (end.addresses.length === 0) return ofConfiguration(facts, end);
  const { from, snat, unknown } = explain(facts, judges, end, to, port);
  const { sourceSeen } = snat;
  if (unknown && unknown.length > 0 && sourceSeen === undefined) return unknown.join(", ");
  if (sourceSeen !== undefined && sourceSeen !== from.address)
    return [{ range: asRange(sourceSeen), why: `what the far side sees: ${snat.reason}` }];
  if (isOnNode(end))
    return [{ range: asRange(from.address), why: `the address of ${nodeOf(end) ?? "its node"}` }];
  const subnet = subnetOf(facts, from.address);
  if (subnet) {
    const { name } = subnet.metadata;
    const podEni = holderOf(facts, from.address);
    if (podEni && isHeld(podEni)) {
      const key = keyOf(podEni);
      const why = `held for pod ${key} (PodENI/${key}), whichever node it is on`;
      const all = `the wider choice: all of vSwitch ${name}, so that pods to come need no change`;
      return [{ range: asRange(from.address), why, wider: { range: subnet.spec.cidr, why: all } }];
    }
    if (podEni) {
      const network = podEni.metadata.annotations?.[podNetworkingAnnotation] ?? "";
      return [
        {
          range: subnet.spec.cidr,
          why: `all of vSwitch ${name}, which PodNetworking ${network} has its pods in`,
        },
      ];
    }
    return [
      { range: subnet.spec.cidr, why: `all of vSwitch ${name}, which ${decider(end)} has its pods in` },
    ];
  }
  if (from.block !== undefined) return [{ range: from.block, why: from.reason }];
  return [{ range: asRange(from.address), why: from.reason }];
}

function decider(end: End): string {
  const node = nodeOf(end);
  return node === undefined ? "the network" : `the configuration of node ${node} (NodeConfig/${node})`;
}

/** A pod that waits: the vSwitches of its node's configuration are all that it can get. */
function ofConfiguration(facts: ClusterFacts, end: End): readonly RangeSource[] | string {
  const node = nodeOf(end);
  if (node === undefined) return "it has no node yet";
  if (isOnNode(end)) {
    const object = facts.nodes.get(node);
    return (object ? nodeIps(object) : []).map((ip) => ({
      range: asRange(ip),
      why: `the address of ${node}`,
    }));
  }
  const ids = facts.nodeConfigs.get(node)?.status?.vSwitchIDs ?? [];
  const ranges = ids.flatMap((id) => facts.subnets.get(id)?.spec.cidr ?? []);
  if (ranges.length === 0) return "it has no address yet";
  return ranges.map((range, at) => ({
    range,
    why: `all of vSwitch ${ids[at]}, which ${decider(end)} has its pods in`,
  }));
}

/** An address, or a range of addresses from which the kernel picks one (`FIRST-LAST`), as it is admitted. */
function asRange(text: string): string {
  if (text.includes("/") || text.includes("-")) return text;
  return `${text}/${tryParseIp(text)?.family === 6 ? 128 : 32}`;
}

function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [tryParseCidr(asRange(outer)), tryParseCidr(inner)];
  return wide !== undefined && narrow !== undefined && cidrCovers(wide, narrow);
}

/** Leaves out what lies in another one. */
function widest(ranges: readonly string[]): string[] {
  return ranges.filter((range) => !ranges.some((other) => other !== range && covers(other, range)));
}

function compare(a: string, b: string): number {
  const [x, y] = [tryParseCidr(a), tryParseCidr(b)];
  if (!x || !y) return a < b ? -1 : 1;
  return x.family - y.family || (x.base < y.base ? -1 : x.base > y.base ? 1 : x.length - y.length);
}
