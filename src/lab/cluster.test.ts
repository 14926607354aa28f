// Scheduler, workload controllers and pod runner together over a store in memory: a cluster without a kernel.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Node, nodeKind, type Pod, podKind } from "../api/kinds/core.ts";
import { deploymentKind, replicationControllerKind, statefulSetKind } from "../api/kinds/workloads.ts";
import type { Draft, Kind, KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { silent } from "../base/log.ts";
import { FakeMachine } from "../kernel/fake/machine.ts";
import { Informer } from "../store/informer.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { registerCluster, reportNode } from "./cluster.ts";
import { Eviction } from "./eviction.ts";
import type { LabFile } from "./file/lab-file.ts";
import { parseLabFile } from "./file/load.ts";
import type { Attachment, PodNetwork } from "./pods/cni-runtime.ts";
import { PodRunner } from "./pods/pod-runner.ts";
import { PodAdmission } from "./scheduler/pod-admission.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { WorkloadControllers } from "./workloads/controllers.ts";

/** Hands out addresses, and fails where it is told to. */
class FakeNetwork implements PodNetwork {
  readonly attached = new Map<string, string>();
  failures = 0;
  #next = 1;

  async add({ pod }: Attachment) {
    if (this.failures > 0) {
      this.failures--;
      throw new TrunklineError("lab.cni", { plugin: "fake", command: "ADD", code: 11, message: "try again" });
    }
    const address = `10.0.0.${this.#next++}`;
    this.attached.set(pod.uid, address);
    return { cniVersion: "1.1.0", ips: [{ address: `${address}/32` }] };
  }

  async del({ pod }: Attachment) {
    this.attached.delete(pod.uid);
  }
}

const lab = parseLabFile(
  `name: t
networks: [{name: n, cidr: 192.168.18.0/24}]
nodes: [{name: a, address: 192.168.18.11}, {name: b, address: 192.168.18.12, taints: [{key: k, effect: NoSchedule}]}]`,
  "lab.yaml",
) as { lab: LabFile };

describe("a cluster without a kernel", () => {
  const machine = new FakeMachine();
  let store: Store;
  let pods: Informer<Pod>;
  let nodes: Informer<Node>;
  let network: FakeNetwork;
  let stops: (() => Promise<unknown>)[];
  let events: string[];

  beforeEach(async () => {
    store = memoryStore();
    network = new FakeNetwork();
    events = [];
    stops = [];
    await registerCluster(store, lab.lab);
    for (const { name } of lab.lab.nodes) await reportNode(store, name, true, "ready");
    pods = new Informer(store, podKind).start();
    nodes = new Informer(store, nodeKind).start();
    await Promise.all([pods.synced, nodes.synced]);
    const sink = {
      record: ({ reason, message }: { reason: string; message: string }) =>
        events.push(`${reason}: ${message}`),
    };
    const admission = new PodAdmission({
      store,
      events: sink,
      logger: silent,
      now: Date.now,
      isServed: () => true,
    });
    const scheduler = new Scheduler({ store, pods, nodes, events: sink, logger: silent, admission });
    const workloads = new WorkloadControllers(store, pods, silent);
    const eviction = new Eviction({ store, pods, nodes, hasRunner: () => true, logger: silent });
    const runners = lab.lab.nodes.map(({ name, addresses }) => {
      const node = { name, netns: `t-${name}`, addresses };
      return new PodRunner({
        lab: "t",
        node,
        machine,
        store,
        pods,
        cni: network,
        events: sink,
        logger: silent,
        // None of its pods ends by itself.
        clock: { sleep: () => Promise.withResolvers<void>().promise },
      });
    });
    for (const part of [scheduler, workloads, eviction, ...runners]) {
      part.start();
      stops.push(() => part.stop());
    }
  });
  afterEach(async () => {
    for (const stop of stops) await stop();
    await Promise.all([pods.stop(), nodes.stop()]);
    for (const name of machine.listNetns()) await machine.removeNetns(name);
    await store.close();
  });

  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c" }] } };
  const create = <T extends KubeObject>(kind: Kind<T>, name: string, more: object): Promise<T> =>
    store.create(kind, {
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata: { name, namespace: "default" },
      ...more,
    } as unknown as Draft<T>);
  const running = async (): Promise<string[]> =>
    (await store.list(podKind)).items
      .filter((pod) => pod.status?.phase === "Running" && pod.metadata.deletionTimestamp === undefined)
      .map((pod) => pod.metadata.name)
      .toSorted();
  const soon = { timeout: 5000, interval: 10 };

  it("runs a controller's replicas, with addresses, and lets go of them again", async () => {
    await create(replicationControllerKind, "web", {
      spec: { replicas: 3, selector: { app: "web" }, template },
    });
    await expect.poll(running, soon).toHaveLength(3);
    const { items } = await store.list(podKind);
    expect(items.map((pod) => pod.status?.podIP ?? "").toSorted()).toEqual(
      [...network.attached.values()].toSorted(),
    );
    expect(items.every((pod) => pod.spec.nodeName === "a")).toBe(true);
    const rc = await store.get(replicationControllerKind, "web", "default");
    await store.update(replicationControllerKind, { ...rc!, spec: { ...rc!.spec, replicas: 1 } });
    // A pod's object goes only after its address was given back.
    await expect.poll(async () => (await store.list(podKind)).items.length, soon).toBe(1);
    expect(network.attached.size).toBe(1);
    expect(machine.listNetns()).toHaveLength(1);
  });

  it("replaces what a user deletes, and writes the figures into the status", async () => {
    await create(replicationControllerKind, "web", {
      spec: { replicas: 2, selector: { app: "web" }, template },
    });
    await expect.poll(running, soon).toHaveLength(2);
    const [first] = await running();
    await store.delete(podKind, first!, "default");
    await expect.poll(running, soon).not.toContain(first);
    await expect.poll(running, soon).toHaveLength(2);
    await expect
      .poll(async () => (await store.get(replicationControllerKind, "web", "default"))?.status, soon)
      .toMatchObject({ replicas: 2, readyReplicas: 2 });
  });

  it("rolls a Deployment over to a new template", async () => {
    const selector = { matchLabels: { app: "web" } };
    const created = await create(deploymentKind, "web", { spec: { replicas: 3, selector, template } });
    await expect.poll(running, soon).toHaveLength(3);
    const before = await running();
    expect(before[0]).toMatch(/^web-[a-z0-9]{10}-[a-z0-9]{5}$/);
    const stored = (await store.get(deploymentKind, "web", "default")) ?? created;
    const changed = { ...template, spec: { containers: [{ name: "c", image: "new" }] } };
    await store.update(deploymentKind, { ...stored, spec: { ...stored.spec, template: changed } });
    await expect
      .poll(async () => (await running()).filter((name) => !before.includes(name)).length, soon)
      .toBe(3);
    await expect.poll(running, soon).toHaveLength(3);
  });

  it("keeps the names of a StatefulSet", async () => {
    const selector = { matchLabels: { app: "web" } };
    await create(statefulSetKind, "db", { spec: { replicas: 2, selector, template } });
    await expect.poll(running, soon).toEqual(["db-0", "db-1"]);
    const first = await store.get(podKind, "db-0", "default");
    await store.delete(podKind, "db-0", "default");
    await expect
      .poll(async () => (await store.get(podKind, "db-0", "default"))?.metadata.uid, soon)
      .not.toBe(first?.metadata.uid);
    await expect.poll(running, soon).toEqual(["db-0", "db-1"]);
  });

  it("tells why a pod has no place, and places it once it has", async () => {
    await create(podKind, "picky", { spec: { nodeSelector: { disk: "ssd" }, containers: [] } });
    await expect.poll(() => events, soon).toHaveLength(1);
    expect(events[0]).toMatch(
      /^FailedScheduling: 0\/2 nodes are available: 1 node\(s\) didn't match .*, 1 node\(s\) had/,
    );
    const node = await store.get(nodeKind, "a");
    await store.update(nodeKind, { ...node!, metadata: { ...node!.metadata, labels: { disk: "ssd" } } });
    await expect.poll(running, soon).toEqual(["picky"]);
  });

  it("tries again when the network cannot take a pod, and tells why", async () => {
    network.failures = 2;
    await create(podKind, "a", { spec: { containers: [] } });
    await expect.poll(running, soon).toEqual(["a"]);
    expect(events).toHaveLength(2);
    expect(events[0]).toContain("FailedCreatePodSandBox");
    expect(events[0]).toContain("try again");
  });

  it("ends the pods of a node whose object is deleted, and a pod that nobody started yet", async () => {
    await create(podKind, "a", { spec: { containers: [] } });
    await create(podKind, "lost", { spec: { nodeName: "nowhere", containers: [] } });
    await expect.poll(running, soon).toEqual(["a"]);
    await store.delete(nodeKind, "a");
    await expect.poll(async () => (await store.list(podKind)).items, soon).toEqual([]);
    expect(network.attached.size).toBe(0);
  });
});
