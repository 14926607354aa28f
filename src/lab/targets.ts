// What a user means by `pod/NAME`, `rc/NAME`, `node/NAME`, `host/NAME` or an address, in a running lab.
import { isTerminal, type Node, type Pod, podIps } from "../api/kinds/core.ts";
import type { Host } from "../api/kinds/host.ts";
import { kindNamed } from "../api/kinds/index.ts";
import type { KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { tryParseIp } from "../base/ip.ts";
import { parseEnd } from "../explain/target.ts";
import { nodeIps } from "../plan/facts.ts";
import type { LabPort } from "./file/lab-file.ts";
import { portsOf } from "./pods/pod-spec.ts";
import { controllerOf, isActive, isReady } from "./workloads/pods.ts";

/** The port on which the lab answers for a node itself, as a kubelet does. */
export const NODE_PORT: LabPort = { port: 10250, protocol: "TCP" };

/** Somebody who can send or answer. */
export interface Party {
  /** `pod/NAMESPACE/NAME`, `node/NAME`, `host/NAME`, or an address that is nobody's. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ports: readonly LabPort[];
  /** Named by this address of its, which it then sends from. */
  readonly pinned?: true;
  /** Whose namespace it sends from; undefined for an address that is nobody's. */
  readonly home?: { readonly pod: string } | { readonly member: string };
}

/** Where parties are looked for. */
export interface Population {
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly hosts: ReadonlyMap<string, Host>;
  /** Workloads of a kind, by `namespace/name`. */
  workload(kind: string, key: string): Promise<KubeObject | undefined>;
}

/**
 * Returns who is meant.
 * @throws TrunklineError `lab.party` (nobody is called so), `lab.no-ready-pod`
 */
export async function findParty(word: string, namespace: string, population: Population): Promise<Party> {
  const end = parseEnd(word);
  if (end.type === "address") return partyAt(end.address, population);
  const kind = kindNamed(end.kind);
  if (!kind) throw unknown(word);
  const key = kind.namespaced ? `${end.namespace ?? namespace}/${end.name}` : end.name;
  const found = lookUp(kind.kind, key, population);
  if (found) return found;
  const workload = kind.namespaced ? await population.workload(kind.kind, key) : undefined;
  if (!workload) throw unknown(word);
  return podParty(await readyPodOf(workload, word, population));
}

/**
 * Returns who is meant where a command may also be given a bare name: of a node, host or router, or of a pod.
 * @throws TrunklineError `lab.no-member`, `lab.party`, `lab.no-ready-pod`
 */
export async function findMember(
  word: string,
  namespace: string,
  population: Population,
  members: readonly string[],
): Promise<Party> {
  if (word.includes("/") || tryParseIp(word)) return findParty(word, namespace, population);
  if (members.includes(word)) return { name: word, addresses: [], ports: [], home: { member: word } };
  const pod = population.pods.get(`${namespace}/${word}`);
  if (!pod) throw new TrunklineError("lab.no-member", { word, known: members });
  return lookUp("Pod", `${namespace}/${word}`, population) ?? podParty(pod);
}

function lookUp(kind: string, key: string, { pods, nodes, hosts }: Population): Party | undefined {
  const node = kind === "Node" ? nodes.get(key) : undefined;
  if (node) return nodeParty(node);
  const host = kind === "Host" ? hosts.get(key) : undefined;
  if (host) return hostParty(host);
  const pod = kind === "Pod" ? pods.get(key) : undefined;
  if (!pod) return undefined;
  if (podIps(pod).length === 0 || isTerminal(pod)) {
    throw new TrunklineError("lab.no-ready-pod", {
      word: `pod/${pod.metadata.name}`,
      phase: pod.status?.phase,
    });
  }
  return podParty(pod);
}

/** A pod of a workload, always the same one while it is ready: the first by name. */
async function readyPodOf(workload: KubeObject, word: string, population: Population): Promise<Pod> {
  const pods = await podsOf(workload, population);
  const [first] = pods
    .filter((pod) => isActive(pod) && isReady(pod))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  if (!first) throw new TrunklineError("lab.no-ready-pod", { word, phase: undefined });
  return first;
}

async function podsOf(workload: KubeObject, population: Population): Promise<Pod[]> {
  const owners = new Set([workload.metadata.uid]);
  const all = [...population.pods.values()];
  // A Deployment owns pods through its ReplicaSets, a CronJob through its Jobs.
  for (const pod of all) {
    const set = pod.metadata.ownerReferences?.find((reference) => reference.controller);
    const between = { Deployment: "ReplicaSet", CronJob: "Job" }[workload.kind];
    if (between === undefined || set?.kind !== between || owners.has(set.uid)) continue;
    const found = await population.workload(between, `${pod.metadata.namespace}/${set.name}`);
    if (found && controllerOf(found) === workload.metadata.uid) owners.add(set.uid);
  }
  return all.filter((pod) => owners.has(controllerOf(pod) ?? ""));
}

/** Returns whoever has an address; nobody of that name, but the address itself, where none has. */
function partyAt(address: string, population: Population): Party {
  // Pods that use their node's network have the node's address: the node is meant.
  const everybody = [...nodesAndHosts(population), ...runningPods(population)];
  const owner = everybody.find((party) => party.addresses.includes(address));
  return owner
    ? { ...owner, addresses: [address], pinned: true }
    : { name: address, addresses: [address], ports: [] };
}

/** Returns the pods that have addresses, those of `namespaces` if given, by name. */
export function runningPods({ pods }: Population, namespaces?: readonly string[]): Party[] {
  return [...pods.values()]
    .filter((pod) => namespaces?.includes(pod.metadata.namespace ?? "") ?? true)
    .filter((pod) => isActive(pod) && podIps(pod).length > 0)
    .map(podParty)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns the hosts outside, without routers, by name. */
export function outsideHosts({ hosts }: Population): Party[] {
  return [...hosts.values()]
    .filter(({ spec }) => spec.role !== "router")
    .map(hostParty)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function nodesAndHosts({ nodes, hosts }: Population): Party[] {
  return [...[...nodes.values()].map(nodeParty), ...[...hosts.values()].map(hostParty)];
}

function podParty(pod: Pod): Party {
  const { namespace, name, uid } = pod.metadata;
  return {
    name: `pod/${namespace}/${name}`,
    addresses: podIps(pod),
    ports: portsOf(pod.spec),
    home: { pod: uid },
  };
}

function nodeParty(node: Node): Party {
  const { name } = node.metadata;
  return { name: `node/${name}`, addresses: nodeIps(node), ports: [NODE_PORT], home: { member: name } };
}

function hostParty({ metadata, spec }: Host): Party {
  const ports = (spec.ports ?? []).map(({ port, protocol = "TCP" }) => ({ port, protocol }));
  return {
    name: `host/${metadata.name}`,
    addresses: spec.addresses,
    ports,
    home: { member: metadata.name },
  };
}

function unknown(word: string): TrunklineError {
  return new TrunklineError("lab.party", { word });
}
