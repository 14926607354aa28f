// Facts for tests, with little to write. Test only.
import { type AddressBlock, blockName } from "../../api/kinds/address-block.ts";
import type { Namespace, Node, Pod } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { SourceNAT } from "../../api/kinds/source-nat.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import type { KubeObject } from "../../api/object.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../facts.ts";
import { planSnat, type SnatMemory } from "./plan-snat.ts";
import type { SnatPlan } from "./types.ts";

function meta(name: string, more: object = {}): KubeObject["metadata"] {
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...more,
  };
}

export function pool(name: string, cidr: string, spec: Partial<IPPool["spec"]> = {}): IPPool {
  return {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: meta(name),
    spec: { cidr, ...spec },
  };
}

export function subnet(name: string, cidr: string): Subnet {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Subnet",
    metadata: meta(name),
    spec: { zone: "h", cidr },
  };
}

export function pod(
  name: string,
  ip: string | readonly string[],
  options: { labels?: Record<string, string>; snat?: string; node?: string; namespace?: string } = {},
): Pod {
  const namespace = options.namespace ?? "shop";
  const annotations =
    options.snat === undefined ? {} : { annotations: { "trunkline.dev/snat": options.snat } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, { namespace, labels: options.labels ?? {}, ...annotations }),
    spec: { containers: [], nodeName: options.node ?? "node1" },
    status: { phase: "Running", podIPs: [ip].flat().map((text) => ({ ip: text })) },
  };
}

export function namespace(name: string, snat?: string, labels: Record<string, string> = {}): Namespace {
  const annotations = snat === undefined ? {} : { annotations: { "trunkline.dev/snat": snat } };
  return { apiVersion: "v1", kind: "Namespace", metadata: meta(name, { labels, ...annotations }) };
}

export function clusterNode(
  name: string,
  ip: string | readonly string[],
  labels: Record<string, string> = {},
): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: meta(name, { labels }),
    status: { addresses: [ip].flat().map((address) => ({ type: "InternalIP", address })) },
  };
}

export function sourceNat(
  name: string,
  rules: SourceNAT["spec"]["rules"],
  options: { priority?: number; holders?: Record<string, string> } = {},
): SourceNAT {
  const holders = Object.entries(options.holders ?? {}).map(([address, node]) => ({ address, node }));
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    metadata: meta(name),
    spec: { rules, ...(options.priority === undefined ? {} : { priority: options.priority }) },
    status: { holders },
  };
}

export function block(cidr: string, owner = "node1"): AddressBlock {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressBlock",
    metadata: meta(blockName(cidr)),
    spec: { cidr, pool: "gone", node: owner, state: "confirmed" },
  };
}

export interface Cluster {
  readonly blocks?: readonly AddressBlock[];
  readonly pools?: readonly IPPool[];
  readonly subnets?: readonly Subnet[];
  readonly pods?: readonly Pod[];
  readonly namespaces?: readonly Namespace[];
  readonly nodes?: readonly Node[];
  readonly sourceNats?: readonly SourceNAT[];
  /** Text of kube-system/ip-masq-agent, key config. */
  readonly config?: string;
  /** Other ConfigMaps of kube-system. */
  readonly configMaps?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function clusterFacts(cluster: Cluster): ClusterFacts {
  const named = <T extends KubeObject>(objects: readonly T[] = []) =>
    new Map(objects.map((object) => [object.metadata.name, object]));
  const maps = { ...cluster.configMaps };
  if (cluster.config !== undefined) maps["ip-masq-agent"] = { config: cluster.config };
  const configMaps = Object.entries(maps).map(
    ([name, data]) =>
      [
        `kube-system/${name}`,
        { apiVersion: "v1", kind: "ConfigMap", metadata: meta(name, { namespace: "kube-system" }), data },
      ] as const,
  );
  return {
    ...emptyFacts(),
    blocks: named(cluster.blocks),
    pools: named(cluster.pools),
    subnets: named(cluster.subnets),
    namespaces: named(cluster.namespaces),
    nodes: named(cluster.nodes),
    sourceNats: named(cluster.sourceNats),
    pods: new Map((cluster.pods ?? []).map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
    configMaps: new Map(configMaps),
  };
}

export function nodeFacts(
  node = "node1",
  addresses: readonly string[] = ["192.168.18.11", "fd18::11"],
): NodeFacts {
  return { node, addresses, uplink: "eth0", endpoints: new Map() };
}

/** What most tests set up: a pool, a pod of it, its node, a configuration, and somebody outside. */
export const pods4 = pool("pods", "172.16.0.0/16");
export const own = "172.16.1.5";
export const web = pod("web", own);
export const nodeIp = "192.168.18.11";
export const internet = "203.0.113.10";
export const masq =
  "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 172.16.0.0/12\n- 192.168.0.0/16\nmasqLinkLocal: false\n";

export function planOf(cluster: Cluster, memory: SnatMemory = {}, node = nodeFacts()): SnatPlan {
  return planSnat(clusterFacts(cluster), node, memory);
}
