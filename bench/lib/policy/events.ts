// From a change of an object in the store to rules in force in the kernel, through informers, queue and all managers.

import { ClusterWatch } from "../../../src/agent/cluster-watch.ts";
import { Reconciler } from "../../../src/agent/managers/reconciler.ts";
import { standardParts } from "../../../src/agent/standard.ts";
import { namespaceKind, nodeKind, type Pod, podKind } from "../../../src/api/kinds/core.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import { silent } from "../../../src/base/log.ts";
import { type Kernel, linuxMachine } from "../../../src/kernel/index.ts";
import type { NodeFacts } from "../../../src/plan/facts.ts";
import { memoryStore } from "../../../src/store/memory.ts";
import type { Store } from "../../../src/store/store.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";
import { type BenchCluster, ipOf, podObject } from "./cluster.ts";

const ADDRESS = "192.168.18.1";
const EVENTS = rounds(300, 100);
const WARM_UP = 20;

/** A node's managers at work in this process. */
export interface Running {
  readonly store: Store;
  readonly kernel: Kernel;
  /** Settles when the next transaction is in force. */
  next(): Promise<number>;
  settled(): Promise<void>;
  end(): Promise<void>;
}

export async function eventRows(cluster: BenchCluster, folder: string): Promise<Row[]> {
  const running = await begin(cluster, folder, "events");
  const rows = [
    ...judged("pod", "a pod's labels change", await measure(running, (i) => relabel(running, i))),
    ...judged("pod-new", "a pod comes", await measure(running, (i) => create(running, i))),
    ...judged("policy", "a one-rule policy changes", await measure(running, (i) => repolicy(running, i))),
  ];
  await running.end();
  return rows;
}

/** Puts a cluster in force on a node in a namespace of that name. */
export async function begin(cluster: BenchCluster, folder: string, name: string): Promise<Running> {
  const machine = linuxMachine();
  machine.createNetns(name);
  const kernel = machine.open({ name });
  const uplink = kernel.links.add({ kind: "bridge", name: "eth0", up: true });
  kernel.addresses.add({ linkIndex: uplink.index, address: `${ADDRESS}/24`, scope: "global" });
  const store = await fill(cluster);
  const watch = new ClusterWatch(store, silent);
  const parts = {
    node: "n1",
    kernel,
    netns: { name },
    store,
    facts: watch.facts,
    stateDir: folder,
    logger: silent,
    inUse: () => [],
  };
  // The store gives pods other uids than the cluster has: an endpoint without one takes any.
  const endpoints = new Map([...cluster.endpoints].map(([key, one]) => [key, { ...one, uid: "" }]));
  const node: NodeFacts = { node: "n1", addresses: [ADDRESS], uplink: "eth0", endpoints };
  const managers = standardParts.managers(parts, {});
  const reconciler = new Reconciler({
    managers,
    facts: watch.facts,
    node: () => node,
    logger: silent,
    patience: 60,
  });
  watch.on((kind, key) => reconciler.note(kind, key));
  await watch.start();
  for (const kind of ["nodes", "namespaces", "pods", "networkpolicies", "configmaps", "endpoints"])
    reconciler.noteAll(kind);
  reconciler.start();
  await reconciler.inForce();
  return {
    store,
    kernel,
    next: transactionsOf(kernel),
    settled: () => reconciler.inForce(),
    async end() {
      await reconciler.stop();
      await watch.stop();
      for (const manager of managers) await manager.stop?.();
      kernel.close();
      await machine.removeNetns(name);
    },
  };
}

function judged(id: string, what: string, times: readonly number[]): Row[] {
  const text = `${what}: from the store to enforced, 250 pods here, 10,000 policies and 100,000 pods in the cluster`;
  return [
    row(`policy.event.${id}.p50`, `${text}, p50`, "ms", quantile(times, 0.5), null, {
      of: "ours",
      at: "most",
      value: 5,
    }),
    row(`policy.event.${id}.p99`, `${text}, p99`, "ms", quantile(times, 0.99), null, {
      of: "ours",
      at: "most",
      value: 50,
    }),
  ];
}

async function measure(running: Running, change: (i: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < EVENTS + WARM_UP; i++) {
    const enforced = running.next();
    const began = performance.now();
    await change(i);
    times.push((await enforced) - began);
    await running.settled();
  }
  return times.slice(WARM_UP);
}

/** Pods of namespaces that have a pod here, in turn. */
async function relabel({ store }: Running, i: number): Promise<void> {
  const pod = (await store.get(podKind, "pod-1", `ns-${i % 250}`)) as Pod;
  const app = pod.metadata.labels?.["app"] === "app-1" ? "app-9" : "app-1";
  await store.update(podKind, {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, app } },
  });
}

async function create({ store }: Running, i: number): Promise<void> {
  const pod = podObject(`ns-${i % 250}`, `late-${i}`, ipOf(200_000 + i), { app: "app-1" }, "n2");
  await store.create(podKind, pod);
}

async function repolicy({ store }: Running, i: number): Promise<void> {
  const policy = (await store.get(networkPolicyKind, "policy-0", `ns-${i % 250}`)) as NetworkPolicy;
  const ingress = [{ ...policy.spec.ingress?.[0], ports: [{ port: 10_000 + i }] }];
  await store.update(networkPolicyKind, { ...policy, spec: { ...policy.spec, ingress } });
}

function transactionsOf(kernel: Kernel): () => Promise<number> {
  let waiting = Promise.withResolvers<number>();
  const { nft } = kernel;
  const told = (transaction: Promise<void>): Promise<void> =>
    transaction.then(() => waiting.resolve(performance.now()));
  const [run, change] = [nft.run.bind(nft), nft.change.bind(nft)];
  nft.run = (commands) => told(run(commands));
  nft.change = (table, changes) => told(change(table, changes));
  return () => {
    waiting = Promise.withResolvers<number>();
    return waiting.promise;
  };
}

async function fill({ facts }: BenchCluster): Promise<Store> {
  const store = memoryStore();
  const status = { addresses: [{ type: "InternalIP" as const, address: ADDRESS }] };
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "n1" }, status });
  for (const one of facts.namespaces.values()) await store.create(namespaceKind, one);
  for (const one of facts.pods.values()) await store.create(podKind, one);
  for (const one of facts.policies.values()) await store.create(networkPolicyKind, one);
  return store;
}
