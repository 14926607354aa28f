// The two ends of a flow, found in the cluster's objects.

import { isTerminal, type Node, type Pod, podIps } from "../api/kinds/core.ts";
import type { Host } from "../api/kinds/host.ts";
import { kindNamed } from "../api/kinds/index.ts";
import { keyOf } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import type { Family } from "../base/ip.ts";
import { nearest } from "../base/suggest.ts";
import { type ClusterFacts, nodeIps } from "../plan/facts.ts";
import { isStandIn } from "./manifests/workloads.ts";
import type { EndName } from "./target.ts";

interface Common {
  /** `pod/NAMESPACE/NAME`, `node/NAME`, `host/NAME`, or an address. */
  readonly name: string;
  /** Primary first; empty for a pod that has none yet. */
  readonly addresses: readonly string[];
  /** Named by this address of its, which it then speaks with. */
  readonly pinned?: true;
  /** The question is about this family alone. */
  readonly family?: Family;
}

export type End =
  | (Common & { readonly type: "pod"; readonly key: string; readonly pod: Pod })
  | (Common & { readonly type: "node"; readonly node: Node })
  | (Common & { readonly type: "host"; readonly host: Host })
  /** An address that no object has, or a range that `addresses` stands for. */
  | (Common & { readonly type: "address" });

/** Returns the end that a pod is; one that stands for a workload's pods is named by the workload. */
export function podEnd(pod: Pod): End {
  return {
    type: "pod",
    name: podName(pod),
    key: keyOf(pod),
    pod,
    addresses: isTerminal(pod) ? [] : podIps(pod),
  };
}

/** Returns `pod/NAMESPACE/NAME`, or `deployment/NAMESPACE/NAME` for a pod that stands for a workload's. */
export function podName(pod: Pod): string {
  const { name, namespace = "default" } = pod.metadata;
  const [kind, own] = isStandIn(pod) ? name.split("/") : ["pod", name];
  return `${kind}/${namespace}/${own}`;
}

export function nodeEnd(node: Node): End {
  return { type: "node", name: `node/${node.metadata.name}`, node, addresses: nodeIps(node) };
}

export function hostEnd(host: Host): End {
  return { type: "host", name: `host/${host.metadata.name}`, host, addresses: host.spec.addresses };
}

/** Returns the node that an end's traffic starts or ends on: a pod's node, or the node itself. */
export function nodeOf(end: End): string | undefined {
  if (end.type === "node") return end.node.metadata.name;
  return end.type === "pod" ? end.pod.spec.nodeName : undefined;
}

/** Returns whether an end speaks with a node's own network: the node, or a hostNetwork pod. */
export function isOnNode(end: End): boolean {
  return end.type === "node" || (end.type === "pod" && end.pod.spec.hostNetwork === true);
}

/**
 * Finds the end that a name means. Of a workload's pods it is the first, by name, that is running and has an address.
 * @throws TrunklineError `explain.unknown-end`, `explain.no-pods`
 */
export function findEnd(facts: ClusterFacts, name: EndName, namespace: string): End {
  if (name.type === "address") {
    // Whoever is named by one address is meant with that one, also where there are others.
    return { ...endAt(facts, name.address), pinned: true };
  }
  const space = name.namespace ?? namespace;
  const kind = kindNamed(name.kind)?.kind ?? name.kind;
  if (kind === "Node") {
    const node = facts.nodes.get(name.name);
    return node ? nodeEnd(node) : unknown(`node/${name.name}`, facts.nodes.keys(), "node/");
  }
  if (kind === "Host") {
    const host = facts.hosts.get(name.name);
    return host ? hostEnd(host) : unknown(`host/${name.name}`, facts.hosts.keys(), "host/");
  }
  if (kind === "Pod") {
    const pod = facts.pods.get(`${space}/${name.name}`);
    return pod ? podEnd(pod) : unknown(`pod/${space}/${name.name}`, facts.pods.keys(), "pod/");
  }
  const pods = podsOf(facts, kind, space, name.name);
  const [best] = pods.toSorted((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
  if (!best)
    throw new TrunklineError("explain.no-pods", { kind: name.kind, namespace: space, name: name.name });
  return podEnd(best);
}

function unknown(name: string, known: Iterable<string>, prefix: string): never {
  const suggestion = nearest(
    name,
    [...known].map((key) => `${prefix}${key}`),
  );
  throw new TrunklineError("explain.unknown-end", { name, suggestion });
}

function rank(pod: Pod): number {
  if (isTerminal(pod)) return 3;
  if (pod.metadata.deletionTimestamp !== undefined) return 2;
  return pod.status?.phase === "Running" && podIps(pod).length > 0 ? 0 : 1;
}

export function podsOf(facts: ClusterFacts, kind: string, namespace: string, name: string): Pod[] {
  return [...facts.pods.values()].filter(
    (pod) => pod.metadata.namespace === namespace && isOwnedBy(pod, kind, name),
  );
}

/**
 * Returns whether a pod is of a workload of its namespace. A Deployment's pods belong to its ReplicaSet, a CronJob's to a
 * Job: those are known by name and hash only.
 */
export function isOwnedBy(pod: Pod, kind: string, name: string): boolean {
  return (pod.metadata.ownerReferences ?? []).some((owner) => {
    if (owner.kind.toLowerCase() === kind.toLowerCase() && owner.name === name) return true;
    const hash = pod.metadata.labels?.["pod-template-hash"];
    if (kind === "Deployment" && owner.kind === "ReplicaSet") return owner.name === `${name}-${hash}`;
    return (
      kind === "CronJob" &&
      owner.kind === "Job" &&
      /^-\d+$/.test(owner.name.slice(name.length)) &&
      owner.name.startsWith(name)
    );
  });
}

/** Returns what has that address, with that address alone: a live pod, a node, a host, or nobody that is known. */
export function endAt(facts: ClusterFacts, address: string): End {
  return { ...ownerOf(facts, address), addresses: [address] };
}

function ownerOf(facts: ClusterFacts, address: string): End {
  for (const node of facts.nodes.values()) if (nodeIps(node).includes(address)) return nodeEnd(node);
  const pods = [...facts.pods.values()].filter((pod) => !isTerminal(pod) && podIps(pod).includes(address));
  // One that is being deleted may be gone already, and its address another one's.
  const pod = pods.find(({ metadata }) => metadata.deletionTimestamp === undefined) ?? pods[0];
  if (pod) return podEnd(pod);
  for (const host of facts.hosts.values()) if (host.spec.addresses.includes(address)) return hostEnd(host);
  return { type: "address", name: address, addresses: [address] };
}
