// What policies see of pods and namespaces.
import { isTerminal, type Namespace, type Pod, podIps, runningContainers } from "../../api/kinds/core.ts";
import type { Labels } from "../../api/selectors/selectors.ts";
import { formatIp, type Ip, ipv4Number, tryParseIp } from "../../base/ip.ts";
import type { NamedPort } from "./types.ts";

/** Returns a namespace's labels; its name is one of them, as the API server sees to in a cluster. */
export function namespaceLabels(namespace: Namespace): Labels {
  return { ...namespace.metadata.labels, "kubernetes.io/metadata.name": namespace.metadata.name };
}

/**
 * Returns whether policies speak of the pod, as subject and as peer. Pods on the host's network are the node, and a pod
 * that has ended may have left its address to somebody else.
 */
export function isPolicyPod(pod: Pod): boolean {
  return pod.spec.hostNetwork !== true && !isTerminal(pod);
}

/** Returns the addresses that a pod's status names; texts that are no addresses are left out. */
export function addressesOf(pod: Pod): readonly Ip[] {
  return podIps(pod).flatMap((text) => tryParseIp(text) ?? []);
}

/** Returns the canonical texts of addresses; texts that are no addresses are left out. */
export function canonical(texts: readonly string[]): readonly string[] {
  const [only] = texts;
  // Of one address, as most pods have it: the very text, and no list with room for more.
  if (texts.length === 1 && only !== undefined && ipv4Number(only) >= 0) return [only];
  return texts.flatMap((text) => {
    const ip = tryParseIp(text);
    return ip === undefined ? [] : [formatIp(ip)];
  });
}

/** Returns the numbers that a pod's containers give to a port name of that protocol. */
export function resolvePort(pod: Pod, named: NamedPort): readonly number[] {
  const found = new Set<number>();
  for (const container of runningContainers(pod.spec))
    for (const port of container.ports ?? [])
      if (port.name === named.name && (port.protocol ?? "TCP") === named.protocol)
        found.add(port.containerPort);
  return [...found].toSorted((a, b) => a - b);
}

/**
 * Returns which of two pods an address belongs to when both claim it: one that is being deleted yields, then the younger
 * one has it. Never both: the address would have the rights of two.
 */
export function owner(a: Pod, b: Pod): Pod {
  const leaving = (pod: Pod): number => (pod.metadata.deletionTimestamp === undefined ? 0 : 1);
  if (leaving(a) !== leaving(b)) return leaving(a) < leaving(b) ? a : b;
  const [timeA, timeB] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  if (timeA !== timeB) return timeA > timeB ? a : b;
  return a.metadata.uid > b.metadata.uid ? a : b;
}
