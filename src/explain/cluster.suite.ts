// Objects for tests of answers: two nodes with a block each, and pods on them.
import type { AddressBlock } from "../api/kinds/address-block.ts";
import type { ContainerPort, Namespace, Node, Pod } from "../api/kinds/core.ts";
import type { Host } from "../api/kinds/host.ts";
import type { IPPool } from "../api/kinds/ip-pool.ts";
import type { NetworkPolicy } from "../api/kinds/network-policy.ts";
import { type SourceNAT, sourceNatKind } from "../api/kinds/source-nat.ts";
import type { KubeObject } from "../api/object.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { factsOf } from "./manifests/facts-of.ts";

type Labels = Readonly<Record<string, string>>;

function meta(name: string, namespace?: string, labels?: Labels) {
  const place = namespace === undefined ? {} : { namespace };
  return {
    name,
    ...place,
    uid: name,
    resourceVersion: "1",
    creationTimestamp: "",
    ...(labels ? { labels } : {}),
  };
}

export function node(name: string, ...addresses: readonly string[]): Node {
  const status = { addresses: addresses.map((address) => ({ type: "InternalIP" as const, address })) };
  return { apiVersion: "v1", kind: "Node", metadata: meta(name), status };
}

export function pool(name: string, cidr: string, natOutgoing = true): IPPool {
  return {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: meta(name),
    spec: { cidr, natOutgoing },
  };
}

/** A SourceNAT to 192.168.18.200, which a node holds. */
export function heldEgress(holder: string): SourceNAT {
  const action = {
    type: "Address",
    addresses: ["192.168.18.200"],
    egressNodes: { matchLabels: {} },
  } as const;
  return {
    apiVersion: sourceNatKind.apiVersion,
    kind: "SourceNAT",
    metadata: meta("s"),
    spec: { rules: [{ action }] },
    status: { holders: [{ address: "192.168.18.200", node: holder }] },
  } as SourceNAT;
}

export function block(cidr: string, owner: string, spec: Partial<AddressBlock["spec"]> = {}): AddressBlock {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressBlock",
    metadata: meta(cidr.replaceAll(/[./]/g, "-")),
    spec: { cidr, node: owner, pool: "pods", state: "confirmed", ...spec },
  };
}

export interface PodSketch {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly ports?: readonly ContainerPort[];
  readonly hostNetwork?: boolean;
  readonly phase?: "Running" | "Succeeded";
}

/** A running pod, `address` undefined for one that has none yet. */
export function pod(
  name: string,
  address: string | undefined,
  nodeName: string,
  sketch: PodSketch = {},
): Pod {
  const {
    namespace = "default",
    labels = { app: name },
    ports = [],
    hostNetwork,
    phase = "Running",
  } = sketch;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, namespace, labels),
    spec: { nodeName, containers: [{ name: "main", ports }], ...(hostNetwork ? { hostNetwork } : {}) },
    status: address === undefined ? { phase: "Pending" } : { phase, podIP: address },
  };
}

export function host(name: string, address: string, spec: Partial<Host["spec"]> = {}): Host {
  const rest = { addresses: [address], ports: [{ port: 80 }], ...spec };
  return { apiVersion: "trunkline.dev/v1alpha1", kind: "Host", metadata: meta(name), spec: rest };
}

export function namespace(name: string, labels: Labels): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: meta(name, undefined, labels) };
}

export function policy(name: string, spec: NetworkPolicy["spec"], space = "default"): NetworkPolicy {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: meta(name, space), spec };
}

/** Two nodes with a block each; web and db on one, api on the other; a host outside. */
export function cluster(...more: readonly KubeObject[]): ClusterFacts {
  return factsOf([
    node("n1", "192.168.18.3"),
    node("n2", "192.168.18.4"),
    pool("pods", "10.1.0.0/16"),
    block("10.1.0.0/26", "n1"),
    block("10.1.0.64/26", "n2"),
    pod("web", "10.1.0.1", "n1", { ports: [{ name: "http", containerPort: 80 }] }),
    pod("db", "10.1.0.2", "n1", { ports: [{ containerPort: 3306 }] }),
    pod("api", "10.1.0.65", "n2", { ports: [{ containerPort: 80 }] }),
    host("out", "172.17.0.9"),
    ...more,
  ]);
}
