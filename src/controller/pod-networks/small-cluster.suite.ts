// A cluster on the lab's cloud, without a lab: for tests of the controllers of pods' networks.
import { setTimeout as pause } from "node:timers/promises";
import { eventKind, type Node, namespaceKind, nodeKind, type Pod, podKind } from "../../api/kinds/core.ts";
import { nodeConfigKind } from "../../api/kinds/node-config.ts";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import { type PodNetworking, podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { silent } from "../../base/log.ts";
import { LabCloud } from "../../cloud/lab/lab-cloud.ts";
import { type CloudState, emptyCloud } from "../../cloud/lab/state.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { fenced } from "../leader/fence.ts";
import { SubnetKeeper } from "../subnet-keeper.ts";
import { PodNetworks } from "./pod-networks.ts";

/** A clock that stands until it is moved. */
export class HandClock {
  #now = Date.parse("2026-01-01T00:00:00Z");
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [first] = [...this.#sleepers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
      if (!first) break;
      this.#sleepers.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.wake();
      await pause(5);
    }
    this.#now = end;
    await pause(5);
  }
}

export class SmallCluster {
  readonly store: Store = memoryStore();
  readonly clock = new HandClock();
  readonly state: CloudState = emptyCloud();
  readonly cloud: LabCloud;
  #networks: PodNetworks | undefined;
  #uids = 0;
  /** Of the controller that runs now. */
  #alive = { dead: false };
  readonly #ending: Promise<void>[] = [];

  constructor() {
    this.cloud = new LabCloud({
      state: this.state,
      subnets: [
        { id: "vsw-1", zone: "z1", cidr: "10.1.0.0/28" },
        { id: "vsw-2", zone: "z1", cidr: "10.2.0.0/28" },
        { id: "vsw-3", zone: "z2", cidr: "10.3.0.0/28" },
      ],
      securityGroupIDs: ["sg-1"],
      instances: ["n1", "n2", "n3"].map((node) => ({
        instanceID: `i-${node}`,
        adapters: 3,
        ipv4PerAdapter: 5,
        memberAdapterLimit: 4,
      })),
      now: () => this.clock.now(),
      kill: () => this.#kill(),
    });
  }

  async open(trunking = false): Promise<this> {
    for (const [name, zone] of [
      ["n1", "z1"],
      ["n2", "z1"],
      ["n3", "z2"],
    ] as const) {
      await this.#create<Node>(nodeKind, {
        metadata: { name, labels: { "topology.kubernetes.io/zone": zone } },
        spec: { providerID: `cn.i-${name}` },
      });
      await this.#create(nodeConfigKind, {
        metadata: { name },
        status: { config: { enable_eni_trunking: trunking }, vSwitchIDs: [], securityGroupIDs: ["sg-1"] },
      });
    }
    await this.#create(namespaceKind, { metadata: { name: "a" } });
    this.start();
    return this;
  }

  start(): void {
    const cloud = { provider: this.cloud.for("controller"), cluster: "test" };
    const store = mortal(this.store, this.#alive);
    this.#networks = new PodNetworks({ store, logger: silent, cloud, clock: this.clock });
    this.#networks.start();
  }

  /** What was killed hears nothing more, and is started again. */
  #kill(): void {
    const dead = this.#networks;
    this.#alive.dead = true;
    this.#alive = { dead: false };
    this.#ending.push(dead?.stop() ?? Promise.resolve());
    this.start();
  }

  /** Lets everything come to rest: faults are over, and whoever waits has had a turn. */
  async calm(): Promise<void> {
    this.state.faults = [];
    for (let turn = 0; turn < 4; turn++) {
      await this.clock.advance(30_000);
      await pause(20);
    }
    await this.until(async () => {
      await this.clock.advance(10_000);
      const { items } = await this.store.list(podEniKind);
      const pods = (await this.store.list(podKind)).items.map(({ metadata }) => metadata.uid);
      return items.every(({ metadata, status }) => {
        const isOwn = pods.includes(metadata.annotations?.["k8s.aliyun.com/pod-uid"] ?? "");
        return status?.phase === (isOwn ? "Bind" : "Unbind");
      });
    });
  }

  /** Lets the collector of what nobody knows do its work: a killed controller's last call may come late. */
  async collect(isDone: () => boolean): Promise<void> {
    const cloud = { provider: this.cloud.for("controller"), cluster: "test" };
    const keeper = new SubnetKeeper({ store: this.store, logger: silent, cloud, clock: this.clock });
    keeper.start();
    try {
      await this.until(async () => {
        if (!isDone()) await this.clock.advance(120_000);
        return isDone();
      });
    } finally {
      await keeper.stop();
    }
  }

  async stop(): Promise<void> {
    await this.#networks?.stop();
    this.#networks = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await Promise.all(this.#ending);
    await this.store.close();
  }

  async network(name: string, spec: Partial<PodNetworking["spec"]> = {}): Promise<void> {
    await this.#create<PodNetworking>(podNetworkingKind, {
      metadata: { name },
      spec: {
        selector: { podSelector: { matchLabels: { net: "own" } } },
        vSwitchOptions: ["vsw-1"],
        securityGroupIDs: ["sg-1"],
        ...spec,
      },
    });
    await this.until(
      async () => (await this.store.get(podNetworkingKind, name))?.status?.status !== undefined,
    );
  }

  /** A pod that has been through admission, on a node. */
  async pod(name: string, nodeName: string, network = "net"): Promise<string> {
    const uid = `uid-${++this.#uids}`;
    const annotations = { "k8s.aliyun.com/pod-eni": "true", "k8s.aliyun.com/pod-networking": network };
    const made = await this.#create<Pod>(podKind, {
      metadata: { name, namespace: "a", uid, labels: { net: "own" }, annotations },
      spec: { nodeName, containers: [{ name: "c" }] },
    });
    return made.metadata.uid;
  }

  /** A pod that was made on a node while nobody ran admission, and that its agent has refused. */
  async bypassed(name: string, nodeName: string): Promise<string> {
    const type = "trunkline.dev/NetworkReady";
    const made = await this.#create<Pod>(podKind, {
      metadata: { name, namespace: "a", uid: `uid-${++this.#uids}`, labels: { net: "own" } },
      spec: { nodeName, containers: [{ name: "c" }] },
      status: {
        conditions: [{ type, status: "False", reason: "AdmissionBypassed", message: "nobody noted" }],
      },
    });
    return made.metadata.uid;
  }

  async gone(name: string): Promise<void> {
    await this.store.delete(podKind, name, "a");
  }

  podEni(name: string): Promise<PodENI | undefined> {
    return this.store.get(podEniKind, name, "a");
  }

  async phase(name: string, phase: string): Promise<PodENI> {
    await this.until(async () => (await this.podEni(name))?.status?.phase === phase);
    return (await this.podEni(name))!;
  }

  async reasons(): Promise<readonly string[]> {
    return (await this.store.list(eventKind)).items.map(({ reason }) => reason ?? "");
  }

  /** Interfaces that are ours. */
  ours() {
    return this.cloud.interfaces().filter(({ tags }) => tags["creator"] === "trunkline");
  }

  async until(holds: () => Promise<boolean> | boolean): Promise<void> {
    for (let left = 1000; left > 0; left--) {
      if (await holds()) return;
      await pause(10);
    }
    throw new Error("it did not come about");
  }

  #create<T extends KubeObject>(kind: Kind<T>, rest: Omit<Draft<T>, "apiVersion" | "kind">): Promise<T> {
    return this.store.create(kind, { apiVersion: kind.apiVersion, kind: kind.kind, ...rest } as Draft<T>);
  }
}

/** The dead write nothing any more. */
function mortal(store: Store, life: { readonly dead: boolean }): Store {
  const alive = () => {
    if (life.dead) throw new Error("this process was killed");
  };
  return { ...fenced(store, alive), close: () => store.close() };
}
