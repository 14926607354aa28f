// The objects that a lab's cluster begins with: its namespaces, its nodes, and what stands outside.

import { withCondition } from "../api/conditions.ts";
import { withDefaults } from "../api/defaults.ts";
import { type Namespace, type Node, namespaceKind, nodeKind } from "../api/kinds/core.ts";
import { type Host, hostKind } from "../api/kinds/host.ts";
import { type SecurityGroup, securityGroupKind } from "../api/kinds/security-group.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import type { Draft, Kind, KubeObject } from "../api/object.ts";
import { nodeNetworkAnnotations } from "../api/pools.ts";
import { subnetGateway } from "../api/subnets.ts";
import { isError } from "../base/errors.ts";
import { cidrContains, parseCidr, parseIp } from "../base/ip.ts";
import { change } from "../store/change.ts";
import type { Store } from "../store/store.ts";
import type { LabFile, LabNode } from "./file/lab-file.ts";
import { instanceIdOf } from "./file/subnets.ts";

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** Writes the objects; those that are there already stay as they are. */
export async function registerCluster(store: Store, lab: LabFile): Promise<void> {
  for (const name of NAMESPACES) await ensure(store, namespaceKind, namespaceNamed(name));
  for (const node of lab.nodes) await registerNode(store, node, lab);
  for (const subnet of subnetsOf(lab)) await ensure(store, subnetKind, subnet);
  for (const group of groupsOf(lab)) await ensure(store, securityGroupKind, group);
  for (const host of hostsOf(lab)) await ensure(store, hostKind, host);
}

/** Writes one node's object; one that is there already stays as it is. */
export async function registerNode(store: Store, node: LabNode, lab: LabFile): Promise<void> {
  await ensure(store, nodeKind, nodeFor(node, lab));
}

/** Sets a node's Ready condition. */
export async function reportNode(store: Store, name: string, ready: boolean, message: string): Promise<void> {
  const node = await store.get(nodeKind, name);
  if (!node) return;
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const condition = {
    type: "Ready",
    status: ready ? "True" : "False",
    reason: ready ? "KubeletReady" : "KubeletNotReady",
    message,
  } as const;
  await change(store, nodeKind, { name, uid: node.metadata.uid }, (stored) => ({
    ...stored,
    status: { ...stored.status, conditions: withCondition(stored.status?.conditions ?? [], condition, at) },
  }));
}

/**
 * Writes what a kubelet writes about its node when it registers: labels, annotations and addresses that the object lacks.
 * Whoever makes a deleted Node anew cannot write its addresses, which are its status.
 */
export async function completeNode(store: Store, draft: Draft<Node>): Promise<void> {
  const { name } = draft.metadata;
  const node = await store.get(nodeKind, name);
  if (!node) return;
  const { labels, annotations } = draft.metadata;
  const { addresses } = draft.status ?? {};
  await change(store, nodeKind, { name, uid: node.metadata.uid }, (stored) => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      labels: { ...labels, ...stored.metadata.labels },
      annotations: { ...annotations, ...stored.metadata.annotations },
    },
    status: { ...(addresses && { addresses }), ...stored.status },
  }));
}

async function ensure<T extends KubeObject>(store: Store, kind: Kind<T>, draft: Draft<T>): Promise<void> {
  try {
    await store.create(kind, draft);
  } catch (error) {
    if (!isError(error, "store.exists")) throw error;
  }
}

function namespaceNamed(name: string): Draft<Namespace> {
  const draft: Draft<Namespace> = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  };
  return withDefaults(namespaceKind, draft);
}

/** Returns a node's object as the lab file has it. */
export function nodeFor(node: LabNode, lab: LabFile): Draft<Node> {
  const { name, addresses, zone, labels, annotations, taints } = node;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": process.arch === "arm64" ? "arm64" : "amd64",
        ...(zone !== undefined && { "topology.kubernetes.io/zone": zone }),
        ...labels,
      },
      // Pools are held against the nodes' whole networks, not only against their addresses.
      annotations: {
        ...annotations,
        [nodeNetworkAnnotations[0]]: withPrefixLengths(addresses, lab).join(","),
      },
    },
    spec: {
      ...(taints.length > 0 && { taints }),
      ...(lab.subnets.length > 0 && { providerID: `lab.${instanceIdOf(node)}` }),
    },
    status: {
      addresses: [
        ...addresses.map((address) => ({ type: "InternalIP" as const, address })),
        { type: "Hostname" as const, address: name },
      ],
    },
  };
}

/** The provider's vSwitches; who looks after their state is the controller. */
function subnetsOf(lab: LabFile): Draft<Subnet>[] {
  return lab.subnets.map(({ id, ...spec }) => ({
    apiVersion: subnetKind.apiVersion,
    kind: "Subnet",
    metadata: { name: id },
    spec: { ...spec, gateway: subnetGateway(spec) },
  }));
}

/** The provider's groups: it does not filter, so the nodes do. */
function groupsOf(lab: LabFile): Draft<SecurityGroup>[] {
  return lab.securityGroups.map(({ id, ...spec }) => ({
    apiVersion: securityGroupKind.apiVersion,
    kind: "SecurityGroup",
    metadata: { name: id },
    spec,
  }));
}

function withPrefixLengths(addresses: readonly string[], lab: LabFile): string[] {
  const ranges = lab.networks.flatMap((network) => network.cidrs.map(parseCidr));
  return addresses.flatMap((address) => {
    const range = ranges.find((one) => cidrContains(one, parseIp(address)));
    return range ? [`${address}/${range.length}`] : [];
  });
}

function hostsOf(lab: LabFile): Draft<Host>[] {
  const base = { apiVersion: hostKind.apiVersion, kind: "Host" } as const;
  return [
    ...lab.hosts.map(({ name, addresses, ports, admit }) => ({
      ...base,
      metadata: { name },
      spec: { addresses, ports, role: "host" as const, ...(admit && { admit }) },
    })),
    ...lab.routers.map(({ name, addresses }) => ({
      ...base,
      metadata: { name },
      spec: { addresses, role: "router" as const },
    })),
  ];
}
