// Addresses that are held for pods that are away, or have not started yet: they come with these, so who admits them must
// not forget them meanwhile.
import type { AddressList } from "../../api/kinds/address-list.ts";
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import { kindNamed } from "../../api/kinds/index.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import { keyOf } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { isHeld } from "../../plan/subnets/pod-eni/words.ts";
import { isOfNamespace } from "./listed.ts";
import { asRange, type FoundSource, heldSource } from "./sources.ts";

/** Pods of these come back under other names. */
const nameless = new Set(["deployment", "replicaset", "daemonset", "job", "cronjob"]);

export interface KeptFor {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Returns what is held for pods of a workload, or for all pods, that are not there with their address. */
export function keptFor(facts: ClusterFacts, workload: KeptFor | undefined): readonly PodENI[] {
  return [...facts.podEnis.values()].filter((podEni) => {
    const { name, namespace = "default" } = podEni.metadata;
    if (!isKept(facts, podEni)) return false;
    return workload === undefined || (workload.namespace === namespace && isPodOf(name, workload));
  });
}

/**
 * Returns the ranges that an AddressList keeps for a pod that is not there with its address. What labels it will have nobody
 * knows, and what annotations: a list that goes by them keeps what it has.
 * @param isIn whether the list has a range
 */
export function keptRanges(
  { spec }: AddressList,
  facts: ClusterFacts,
  key: string,
  isIn: (range: string) => boolean,
): readonly string[] {
  const podEni = facts.podEnis.get(key);
  if (!podEni || !isKept(facts, podEni)) return [];
  const { name, namespace = "default" } = podEni.metadata;
  const meant = spec.for.filter(({ workload, ...one }) => {
    const [word = "", of = ""] = workload?.split("/") ?? [];
    const isNamed =
      workload === undefined || isPodOf(name, { kind: kindNamed(word)?.kind ?? word, name: of });
    return isNamed && isOfNamespace(one, namespace, facts.namespaces);
  });
  const ranges = keptSources(facts, podEni).flatMap(({ exact, range, wider }) =>
    spec.entries === "Ranges" ? (wider?.range ?? range) : (exact ?? range),
  );
  return ranges.filter((range) => meant.some((one) => !(one.podSelector ?? one.annotations) || isIn(range)));
}

/** Whether an address is held for a pod that is not there with it. */
function isKept(facts: ClusterFacts, podEni: PodENI): boolean {
  if (podEni.metadata.deletionTimestamp !== undefined || !isHeld(podEni)) return false;
  const pod = facts.pods.get(keyOf(podEni));
  const isThere = pod && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
  return !isThere || podIps(pod).length === 0;
}

/** As StatefulSets name their pods: name and ordinal. */
function isPodOf(name: string, { kind, name: of }: Pick<KeptFor, "kind" | "name">): boolean {
  if (kind === "Pod") return of === name;
  const [, stem] = /^(.+)-\d+$/.exec(name) ?? [];
  return stem === of && !nameless.has(kind.toLowerCase());
}

/** Returns the addresses of one of these. */
export function keptSources(facts: ClusterFacts, podEni: PodENI): readonly FoundSource[] {
  return (podEni.spec.allocations ?? [])
    .flatMap(({ ipv4, ipv6 }) => [ipv4 ?? [], ipv6 ?? []].flat())
    .map((address) => heldSource(podEni, asRange(address), subnetOf(facts, address)));
}
