// An agent of a node `bench` in this network namespace, as a process of its own, and pods that it gives interfaces by the real plugin.
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { waitForAgent } from "../../src/agent/install-cni.ts";
import { shimPath } from "../../src/agent/shim-path.ts";
import { nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { type Host, hostKind } from "../../src/api/kinds/host.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";
import type { Store } from "../../src/store/store.ts";
import { launch } from "./launch.ts";
import { ended } from "./processes.ts";

const program = path.resolve(import.meta.dirname, "../../bin/trunkline");

/** Starts a command of ours that works with that database; or, where it is options, with what they say. */
export function daemon(database: string | readonly string[], args: readonly string[]): ChildProcess {
  const store = typeof database === "string" ? ["--store", `sqlite:${database}`] : database;
  return spawn(program, [...args, ...store, "--log-level", "error"], { stdio: "inherit" });
}

/** Writes the node, its pool, and a host `db` outside. */
export async function fillNode(store: Store): Promise<void> {
  const status = { addresses: [{ type: "InternalIP" as const, address: "192.168.18.11" }] };
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "bench" }, status });
  await store.create(ipPoolKind, {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "bench" },
    spec: { cidr: "10.1.0.0/16", natOutgoing: false },
  });
  await store.create<Host>(hostKind, {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "Host",
    metadata: { name: "db" },
    spec: { addresses: ["172.17.0.9"] },
  });
}

/** Writes a pod of the node. */
export async function createPod(
  store: Store,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  await store.create(podKind, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    spec: { nodeName: "bench", containers: [{ name: "c" }] },
  });
}

export interface Plugged {
  /** Milliseconds that ADD took. */
  readonly ms: number;
  readonly address: string;
}

export class OwnAgent {
  process: ChildProcess;
  /** Of the node. */
  readonly kernel: Kernel;
  readonly #machine = linuxMachine();
  readonly #config: string;
  readonly #uplink: string;
  readonly #socket: string;
  readonly #spawn: () => ChildProcess;

  private constructor(folder: string, database: string | readonly string[], socket: string, address: string) {
    this.kernel = this.#machine.open("self");
    this.#socket = socket;
    this.#uplink = path.basename(folder).slice(0, 15);
    const uplink = this.kernel.links.add({ kind: "bridge", name: this.#uplink, up: true });
    this.kernel.addresses.add({ linkIndex: uplink.index, address, scope: "global" });
    const args = ["agent", "--node", "bench", "--state", folder, "--socket", socket];
    this.#spawn = () => daemon(database, args);
    this.process = this.#spawn();
    this.#config = JSON.stringify({
      cniVersion: "1.0.0",
      name: "bench",
      type: "trunkline",
      agentSocket: socket,
      queueDir: path.join(folder, "queue"),
    });
  }

  /**
   * @param folder its state; does not exist yet, or is that of the one before it
   * @param address of the node
   */
  static async start(
    folder: string,
    database: string | readonly string[],
    { address = "192.168.18.11/24", patienceMs = 20_000 } = {},
  ): Promise<OwnAgent> {
    const socket = `${folder}.sock`;
    const made = new OwnAgent(folder, database, socket, address);
    try {
      await waitForAgent(socket, patienceMs);
    } catch (error) {
      await made.end();
      throw error;
    }
    return made;
  }

  /** Starts the agent whose process has ended again: the node's kernel is as it left it, as in an update. */
  async startAgain(patienceMs: number): Promise<void> {
    this.process = this.#spawn();
    await waitForAgent(this.#socket, patienceMs);
  }

  /** Makes a namespace of the pod's name and plugs it in. */
  async plug(pod: string, namespace = "default"): Promise<Plugged> {
    const netns = this.#machine.createNetns(pod);
    const { times } = await launch([this.#job("ADD", pod, netns, namespace)], 1);
    const kernel = this.#machine.open({ name: pod });
    const found = kernel.addresses.list().find((one) => one.address.startsWith("10.1."));
    kernel.close();
    return { ms: times[0] ?? Number.NaN, address: (found?.address ?? "").replace(/\/.*/, "") };
  }

  async unplug(pod: string): Promise<void> {
    await launch([this.#job("DEL", pod, `/run/netns/${pod}`)], 1);
    await this.#machine.removeNetns(pod);
  }

  async end(): Promise<void> {
    await ended(this.process);
    const link = this.kernel.links.get(this.#uplink);
    if (link) await this.kernel.links.remove(link.index);
    this.kernel.close();
  }

  #job(verb: string, pod: string, netns: string, namespace = "default") {
    const env = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: path.dirname(shimPath()),
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod}`,
    };
    return { program: shimPath(), input: this.#config, env };
  }
}
