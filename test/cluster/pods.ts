// Pods, Deployments and policies that tests on a cluster make, and what they ask of them all.
import { type Cluster, eventually, type PodObject } from "./cluster.ts";

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

/** Waits until `ipam check` finds nothing, of the cluster's objects and of the nodes' journals. */
export async function findsNothing(cluster: Cluster): Promise<void> {
  await eventually("ipam check finds nothing", async () => {
    const { code, stdout } = await cluster.trunkline("ipam", "check", "--state", cluster.journals());
    return code === 0 ? true : Promise.reject(new Error(stdout));
  });
}
