// Which PodNetworking a pod belongs to, by labels alone: what admission notes on the pod, and what the agent asks again.

import type { Namespace, Pod } from "../../api/kinds/core.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";

/** Terway leaves such pods alone, and so do we. */
const ignoredLabel = "k8s.aliyun.com/ignore-by-terway";
/** Kinds whose pods come back under their name. */
const namedKinds: ReadonlySet<string> = new Set(["StatefulSet"]);

/**
 * Returns whether a pod keeps its name when it is replaced, so that an address can be held for it: it belongs to a
 * StatefulSet, to nobody, or to one of `further` kinds (custom_stateful_workload_kinds of eni-config).
 */
export function hasFixedName(pod: Pick<Pod, "metadata">, further: readonly string[] = []): boolean {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined || namedKinds.has(owner.kind) || further.includes(owner.kind);
}

/**
 * Returns the networks that select a pod, the winner first: the oldest, then by name. Both selectors must match where
 * both are given; a network without any selects nothing; one with fixed addresses is for pods with fixed names.
 */
export function networksOf(
  pod: Pick<Pod, "metadata" | "spec">,
  namespace: Pick<Namespace, "metadata"> | undefined,
  networks: Iterable<PodNetworking>,
  further: readonly string[] = [],
): readonly PodNetworking[] {
  return selecting(pod, namespace, networks).filter(
    ({ spec }) => spec.allocationType?.type !== "Fixed" || hasFixedName(pod, further),
  );
}

/** Returns the networks with fixed addresses that would select a pod, were its name one that comes back. */
export function fixedForNothing(
  pod: Pick<Pod, "metadata" | "spec">,
  namespace: Pick<Namespace, "metadata"> | undefined,
  networks: Iterable<PodNetworking>,
  further: readonly string[] = [],
): readonly PodNetworking[] {
  if (hasFixedName(pod, further)) return [];
  return selecting(pod, namespace, networks).filter(({ spec }) => spec.allocationType?.type === "Fixed");
}

/** Returns whether a network has what it needs: only then it has pods. */
export function isReady({ status }: Pick<PodNetworking, "status">): boolean {
  return status?.status === "Ready";
}

/** Returns whether admission leaves a pod alone, whatever its labels. */
export function isLeftAlone(pod: Pick<Pod, "metadata" | "spec">): boolean {
  return pod.spec.hostNetwork === true || pod.metadata.labels?.[ignoredLabel] === "true";
}

function selecting(
  pod: Pick<Pod, "metadata" | "spec">,
  namespace: Pick<Namespace, "metadata"> | undefined,
  networks: Iterable<PodNetworking>,
): readonly PodNetworking[] {
  if (isLeftAlone(pod)) return [];
  return [...networks].filter((network) => selects(network, pod, namespace)).toSorted(olderFirst);
}

function selects(
  { spec, metadata }: PodNetworking,
  pod: Pick<Pod, "metadata">,
  namespace: Pick<Namespace, "metadata"> | undefined,
) {
  const { podSelector, namespaceSelector } = spec.selector ?? {};
  if (podSelector === undefined && namespaceSelector === undefined) return false;
  if (metadata.deletionTimestamp !== undefined) return false;
  if (podSelector !== undefined && !matchesSelector(podSelector, pod.metadata.labels)) return false;
  return namespaceSelector === undefined || matchesSelector(namespaceSelector, namespace?.metadata.labels);
}

function olderFirst({ metadata: a }: PodNetworking, { metadata: b }: PodNetworking): number {
  const [left, right] = [`${a.creationTimestamp} ${a.name}`, `${b.creationTimestamp} ${b.name}`];
  return left < right ? -1 : left > right ? 1 : 0;
}
