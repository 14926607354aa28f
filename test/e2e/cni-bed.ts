// A node for a runtime to attach pods to: a namespace with an uplink, and an agent in a process of its own, which may be
// killed. The runtime is not ours: cnitool (libcni), with the executable and Debian's plugins chained behind it.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { conflist, waitForAgent } from "../../src/agent/install-cni.ts";
import { endpointKey, hostInterfaceName } from "../../src/agent/pods/endpoint.ts";
import { nodeKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { contentOf } from "../../src/base/journal/lines.ts";
import { type Daemon, type Finished, run, startDaemon } from "../../src/kernel/exec/index.ts";
import { type Kernel, type Link, linuxMachine } from "../../src/kernel/index.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** Where cnitool keeps results, whatever it is told. */
const results = "/var/lib/cni/results";
export const executable = path.join(root, "dist/cni/trunkline");

export class CniBed {
  readonly id = `tl-matrix-${process.pid}`;
  readonly folder = mkdtempSync(path.join(tmpdir(), "trunkline-matrix-"));
  readonly socket = path.join(this.folder, "agent.sock");
  readonly queue = path.join(this.folder, "queue");
  readonly machine = linuxMachine();
  readonly #tool: string;
  readonly #store = path.join(this.folder, "store.db");
  readonly #pods = new Set<string>();
  #made = 0;
  #agent: Daemon | undefined;
  #kernel: Kernel | undefined;

  /** `tool` is where cnitool is. */
  constructor(tool: string) {
    this.#tool = tool;
  }

  /** The node's. */
  get kernel(): Kernel {
    if (!this.#kernel) throw new Error("the bed is not made yet");
    return this.#kernel;
  }

  async start(): Promise<void> {
    this.machine.createNetns(this.id);
    const kernel = this.machine.open({ name: this.id });
    this.#kernel = kernel;
    const uplink = kernel.links.add({ kind: "bridge", name: "up0", up: true });
    kernel.addresses.add({ linkIndex: uplink.index, address: "192.168.18.11/24", scope: "global" });
    const objects = openSqliteStore(this.#store);
    await objects.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n1" },
      status: { addresses: [{ type: "InternalIP", address: "192.168.18.11" }] },
    });
    await objects.create(ipPoolKind, {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "IPPool",
      metadata: { name: "p" },
      spec: { cidr: "10.1.0.0/16" },
    });
    await objects.close();
    await this.startAgent();
  }

  async end(): Promise<void> {
    await this.#agent?.stop();
    this.#kernel?.close();
    await this.machine.removeNetns(this.id);
    rmSync(this.folder, { recursive: true, force: true });
    for (const name of safeList(results))
      if (/^([mc]-[\d.]+|installed)-cnitool-/.test(name)) rmSync(path.join(results, name));
  }

  async startAgent(): Promise<void> {
    const words = [
      "--disable-warning=ExperimentalWarning",
      path.join(root, "src/cli/main.ts"),
      "agent",
      "--node=n1",
      `--store=sqlite:${this.#store}`,
      `--state=${this.folder}`,
      `--socket=${this.socket}`,
      `--queue=${this.queue}`,
      `--netns=${this.id}`,
    ];
    this.#agent = await startDaemon(process.execPath, words, {
      logFile: path.join(this.folder, "agent.log"),
    });
    await waitForAgent(this.socket, 20_000);
  }

  async killAgent(): Promise<void> {
    this.#agent?.signal("SIGKILL");
    await this.#agent?.exited;
  }

  /** Writes a network of that name into the folder that cnitool reads. */
  network(name: string, cniVersion: string, chained: readonly string[] = []): void {
    const config = { network: name, agentSocket: this.socket, queueDir: this.queue };
    const list = conflist(config, chained) as object;
    mkdirSync(path.join(this.folder, "net.d"), { recursive: true });
    const text = JSON.stringify({ ...list, cniVersion, cniVersions: undefined });
    writeFileSync(path.join(this.folder, "net.d", `${name}.conflist`), text);
  }

  readonly cni = (
    verb: string,
    net: string,
    pod: string,
    env: Record<string, string> = {},
  ): Promise<Finished> =>
    run(this.#tool, [verb, net, `/run/netns/${pod}`], {
      netns: { name: this.id },
      codes: "any",
      env: {
        NETCONFPATH: path.join(this.folder, "net.d"),
        CNI_PATH: `${path.dirname(executable)}:/usr/lib/cni`,
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod}`,
        ...env,
      },
    });

  /** Asks the executable itself, where cnitool cannot be made to. */
  readonly direct = (command: string, more: object = {}): Promise<Finished> => {
    const base = { cniVersion: "1.1.0", name: "m-1.1.0", type: "trunkline", agentSocket: this.socket };
    return run(executable, [], {
      input: JSON.stringify({ ...base, ...more }),
      env: { CNI_COMMAND: command, CNI_PATH: "/" },
      codes: "any",
    });
  };

  /** Makes a pod's namespace, which is there until `removePods`. */
  readonly pod = (): string => {
    const name = `${this.id}-p${this.#made++}`;
    this.machine.createNetns(name);
    this.#pods.add(name);
    return name;
  };

  async removePods(): Promise<void> {
    for (const name of this.#pods) await this.machine.removeNetns(name);
    this.#pods.clear();
  }

  /** The node's end of a pod's wire. */
  readonly hostEnd = (pod: string): Link | undefined =>
    this.kernel.links.get(hostInterfaceName(containerId(pod), "eth0"));

  readonly podAddresses = (name: string): string[] => {
    const inside = this.machine.open({ name });
    try {
      const link = inside.links.get("eth0");
      if (link === undefined) return [];
      return inside.addresses.list(link.index).flatMap((one) => (one.scope === "global" ? one.address : []));
    } finally {
      inside.close();
    }
  };

  /** Addresses that the node's allocator holds, by endpoint. */
  readonly held = (): Map<string, string> => {
    const found = new Map<string, string>();
    for (const line of readFileSync(path.join(this.folder, "endpoints.journal"), "utf8").split("\n")) {
      if (line === "") continue;
      const { put, gone } = JSON.parse(contentOf(line) ?? "{}") as {
        put?: { containerId: string; ifName: string; phase: string; ips: string[] };
        gone?: string;
      };
      if (put?.phase === "ready") found.set(endpointKey(put), put.ips.join());
      else if (put !== undefined) found.delete(endpointKey(put));
      if (gone !== undefined) found.delete(gone);
    }
    return found;
  };
}

/** cnitool makes the container's id from the path of its namespace. */
export function containerId(pod: string): string {
  return `cnitool-${createHash("sha512").update(`/run/netns/${pod}`).digest("hex").slice(0, 20)}`;
}

/** Where libcni keeps what was answered about a pod. */
export function resultFile(net: string, pod: string): string {
  return `${results}/${net}-${containerId(pod)}-eth0`;
}

function safeList(from: string): string[] {
  try {
    return readdirSync(from);
  } catch (error) {
    // No runtime has ever kept a result here.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
