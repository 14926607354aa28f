// Pods, Deployments and policies that tests on a cluster make, and what they ask of them all.
import { type Cluster, eventually, nodes, type PodObject } from "./cluster.ts";

/** A pool of small blocks: nodes need several, and borrow. */
export const pool = {
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  metadata: { name: "pods" },
  spec: { cidr: "10.1.0.0/16", blockSize: 28, natOutgoing: true },
};

interface Placed {
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A pod that waits; its kernel answers echoes. */
export const waitingPod = (name: string, { node, labels = {}, annotations = {} }: Placed = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels, annotations },
  spec: {
    ...(node === undefined ? {} : { nodeName: node }),
    terminationGracePeriodSeconds: 0,
    containers: [{ name: "c", image: "agnhost:1", args: ["pause"] }],
  },
});

export const deploymentOf = (name: string, replicas: number) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "c", image: "agnhost:1", args: ["pause"] }],
      },
    },
  },
});

/** Nobody may send to pods with these labels, but those with the others. */
export const onlyFrom = (to: Record<string, string>, from?: Record<string, string>) => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: `to-${Object.values(to).join("-")}` },
  spec: {
    podSelector: { matchLabels: to },
    policyTypes: ["Ingress"],
    ingress: from === undefined ? [] : [{ from: [{ podSelector: { matchLabels: from } }] }],
  },
});

export async function podNamed(cluster: Cluster, name: string): Promise<PodObject> {
  const text = await cluster.kube("get", "pod", name, "-o", "json");
  return JSON.parse(text) as PodObject;
}

type ByAddress = ReadonlyMap<string, readonly string[]>;

/** Pods that have an address of the pool and are to stay, by it: as the API has them. */
export async function podsByAddress(cluster: Cluster): Promise<ByAddress> {
  const text = await cluster.kube("get", "pods", "-A", "-o", "json");
  const found = new Map<string, string[]>();
  for (const { metadata, status } of (JSON.parse(text) as { items: PodObject[] }).items) {
    // One that goes is shown with an address that it may have given back long ago, while its kubelet cannot say so.
    if (metadata.deletionTimestamp !== undefined || status.phase !== "Running") continue;
    const address = status.podIP;
    if (address?.startsWith("10.1.") !== true) continue;
    found.set(address, [...(found.get(address) ?? []), `${metadata.namespace}/${metadata.name}`]);
  }
  return found;
}

/** Pods' links by the addresses that the nodes' kernels send out by them, whatever the API says. */
export async function linksByAddress(cluster: Cluster): Promise<ByAddress> {
  const found = new Map<string, string[]>();
  for (const node of nodes) {
    const { stdout } = await cluster.inNode(node, "ip", "-4", "-o", "route", "show");
    for (const [, address = "", link] of stdout.matchAll(/^(10\.1\.\S+) dev (tl\S+)/gm))
      found.set(address, [...(found.get(address) ?? []), `${node}/${link}`]);
  }
  return found;
}

/** Waits until `ipam check` finds nothing, of the cluster's objects and of the nodes' journals. */
export async function findsNothing(cluster: Cluster): Promise<void> {
  await eventually("ipam check finds nothing", async () => {
    const { code, stdout } = await cluster.trunkline("ipam", "check", "--state", cluster.journals());
    return code === 0 ? true : Promise.reject(new Error(stdout));
  });
}
