// Addresses that are held for pods that are away, or have not started yet: they come with these, so who admits them must
// not forget them meanwhile.
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import { keyOf } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { isHeld } from "../../plan/subnets/pod-eni/words.ts";
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
    const { name, namespace = "default", deletionTimestamp } = podEni.metadata;
    if (deletionTimestamp !== undefined || !isHeld(podEni)) return false;
    const pod = facts.pods.get(keyOf(podEni));
    const isThere = pod && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
    if (isThere && podIps(pod).length > 0) return false;
    if (workload === undefined) return true;
    if (workload.namespace !== namespace) return false;
    if (workload.kind === "Pod") return workload.name === name;
    // As StatefulSets name their pods: name and ordinal.
    const [, stem] = /^(.+)-\d+$/.exec(name) ?? [];
    return stem === workload.name && !nameless.has(workload.kind.toLowerCase());
  });
}

/** Returns the addresses of one of these. */
export function keptSources(facts: ClusterFacts, podEni: PodENI): readonly FoundSource[] {
  return (podEni.spec.allocations ?? []).flatMap(({ ipv4 }) => {
    if (ipv4 === undefined) return [];
    const subnet = subnetOf(facts, ipv4);
    return [heldSource(podEni, asRange(ipv4), subnet)];
  });
}
