// Which pods an AddressList speaks of, and where its sinks are.
import type { AddressList, AddressListSink, AskedAddress, ListedPods } from "../../api/kinds/address-list.ts";
import { isTerminal, type Node, type Pod, podIps } from "../../api/kinds/core.ts";
import { kindNamed } from "../../api/kinds/index.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { parseGoDuration } from "../../base/go-duration.ts";
import { rangeHolds } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { isOwnedBy } from "../ends.ts";
import { wordsOf } from "./injector.ts";

const REST_MS = 20_000;
const WAIT_MS = 20_000;

/** Returns for how long an address stays that no pod needs, in milliseconds. */
export function restOf({ spec }: AddressList): number {
  return parseGoDuration(spec.rest ?? "") ?? REST_MS;
}

/** Returns for how long a pod waits for sinks at most, in milliseconds. */
export function waitOf({ spec }: AddressList): number {
  return parseGoDuration(spec.wait ?? "") ?? WAIT_MS;
}

/**
 * Returns whether a list speaks of a pod. One that is being deleted still is: its connections may go on until its
 * interface is gone. What has ended is not.
 */
export function isListed(list: AddressList, pod: Pod, namespaces: ClusterFacts["namespaces"]): boolean {
  return !isTerminal(pod) && list.spec.for.some((one) => isOf(one, pod, namespaces));
}

/** Returns whether these are pods of that namespace. */
export function isOfNamespace(
  { namespaces: names, namespaceSelector }: ListedPods,
  namespace: string,
  namespaces: ClusterFacts["namespaces"],
): boolean {
  if (names && !names.includes(namespace)) return false;
  if (!namespaceSelector) return true;
  const space = namespaces.get(namespace);
  return space !== undefined && matchesSelector(namespaceSelector, space.metadata.labels);
}

function isOf(listed: ListedPods, pod: Pod, namespaces: ClusterFacts["namespaces"]): boolean {
  const { podSelector, workload, annotations: asked = {} } = listed;
  const { namespace = "default", labels, annotations = {} } = pod.metadata;
  for (const [name, word] of Object.entries(asked)) {
    const words = wordsOf(annotations[name]);
    if (word === "" ? words.length > 0 : !words.includes(word)) return false;
  }
  if (!isOfNamespace(listed, namespace, namespaces)) return false;
  if (podSelector && !matchesSelector(podSelector, labels)) return false;
  if (workload === undefined) return true;
  const [word = "", name = ""] = workload.split("/");
  const kind = kindNamed(word)?.kind ?? word;
  return kind === "Pod" ? pod.metadata.name === name : isOwnedBy(pod, kind, name);
}

/** Returns the pod with the addresses that its agent says it is about to have. */
export function askedPod(facts: ClusterFacts, pod: Pod, asked: AskedAddress | undefined): Pod {
  // An agent speaks for the pods of its own node, and only of addresses that pods can have.
  const isMeant =
    asked?.uid === pod.metadata.uid &&
    asked.node === pod.spec.nodeName &&
    podIps(pod).length === 0 &&
    asked.addresses.every((address) => isOfPods(facts, address));
  return isMeant ? withIps(pod, asked.addresses) : pod;
}

function isOfPods({ pools, blocks, subnets }: ClusterFacts, address: string): boolean {
  return [pools, blocks, subnets].some((objects) =>
    [...objects.values()].some(({ spec }) => rangeHolds(spec.cidr, address)),
  );
}

/** Returns the pod as it will be with these addresses. */
export function withIps(pod: Pod, addresses: readonly string[]): Pod {
  const podIPs = addresses.map((ip) => ({ ip }));
  return { ...pod, status: { ...pod.status, podIPs } };
}

/** Returns where a sink is: `controller`, `host/NAME`, `node/NAME` for each node that it selects. */
export function placesOf(sink: AddressListSink, nodes: ReadonlyMap<string, Node>): string[] {
  if (sink.host !== undefined) return [`host/${sink.host}`];
  const { nodes: selector } = sink;
  if (!selector) return ["controller"];
  return [...nodes.values()]
    .filter(({ metadata }) => matchesSelector(selector, metadata.labels))
    .map(({ metadata }) => `node/${metadata.name}`);
}
