// A node of the hammer as production runs it: a namespace of its own, `trunkline agent` as a process, and pods that are
// plugged in by the real executable.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hostInterfaceName } from "../../src/agent/pods/endpoint.ts";
import { readJournal } from "../../src/ipam/journal/read.ts";
import type { Owner } from "../../src/ipam/types.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { type Kernel, linuxMachine, type Machine, ROUTE_PROTOCOL } from "../../src/kernel/index.ts";
import type { ChildSetup, Order } from "./ipam-child.ts";
import { type Member, NoAnswer } from "./member.ts";

const root = path.resolve(import.meta.dirname, "../..");
const shim = path.join(root, "dist/cni/trunkline");

let used = 0;

export class AgentMember implements Member {
  readonly name: string;
  readonly address: string;
  readonly journal: string;
  ready: Promise<void> = Promise.resolve();
  readonly #folder: string;
  readonly #store: string;
  readonly #machine: Machine = linuxMachine();
  readonly #netns: string;
  readonly #pods = new Set<string>();
  readonly #number = used++;
  #child: ChildProcess | undefined;

  readonly #env: Readonly<Record<string, string>>;

  constructor(name: string, folder: string, store: string, env: Readonly<Record<string, string>> = {}) {
    this.name = name;
    this.#env = env;
    this.#folder = path.join(folder, name);
    this.#store = store;
    this.journal = path.join(this.#folder, "ipam");
    this.address = `192.168.77.${this.#number + 1}`;
    this.#netns = `tl-hammer-${process.pid}-${this.#number}`;
  }

  get alive(): boolean {
    return this.#child !== undefined;
  }

  get #socket(): string {
    return path.join(this.#folder, "agent.sock");
  }

  start(_setup?: ChildSetup): void {
    mkdirSync(this.#folder, { recursive: true });
    if (!this.#machine.listNetns().includes(this.#netns)) this.#switchOn();
    const args = ["agent", "--node", this.name, "--netns", this.#netns, "--store", `sqlite:${this.#store}`];
    args.push("--state", this.#folder, "--socket", this.#socket, "--log-level", "error");
    args.push("--queue", path.join(this.#folder, "cni-queue"));
    const child = spawn(path.join(root, "bin/trunkline"), args, {
      stdio: "ignore",
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.ready = this.#serves(child);
  }

  #switchOn(): void {
    this.#machine.createNetns(this.#netns);
    const kernel = this.#machine.open({ name: this.#netns });
    const uplink = kernel.links.add({ kind: "bridge", name: "up0", up: true });
    kernel.addresses.add({
      linkIndex: uplink.index,
      address: `${this.address}/24`,
      scope: "global",
    });
    kernel.close();
  }

  async #serves(child: ChildProcess): Promise<void> {
    while (child.exitCode === null && child.signalCode === null) {
      if (existsSync(this.#socket) && (await answers(this.#socket))) return;
      await sleep(20);
    }
  }

  async order(order: Order): Promise<unknown> {
    switch (order.op) {
      case "add":
        return this.#add(order.owner);
      case "delete":
        await this.#delete(order.owner);
        return undefined;
      case "collect":
        return this.#collect(order.uids.map((uid) => uid.replace(/^uid-/, "c-")));
      case "figures": {
        const ledger = await readJournal(this.journal);
        const blocks = [...(ledger?.blocks.values() ?? [])].map((block) => block.figures(0, 0));
        return { blocks, holdings: ledger?.holdings.size ?? 0 };
      }
      default:
        // The agent hears of its Node object itself.
        return undefined;
    }
  }

  async #add(owner: Owner): Promise<{ address: string }[]> {
    const netns = this.#podNetns(owner);
    if (!this.#pods.has(netns)) {
      this.#pods.add(netns);
      this.#machine.createNetns(netns);
    }
    const done = await this.#cni("ADD", owner);
    // The runtime cannot tell an agent that died from one that refused: it adds again, or deletes.
    if (done.code !== 0) throw done.code === null ? new NoAnswer() : refusal(done.stdout);
    const result = JSON.parse(done.stdout) as { ips: { address: string }[] };
    return result.ips.map(({ address }) => ({ address: address.split("/")[0] ?? "" }));
  }

  async #delete(owner: Owner): Promise<void> {
    const netns = this.#podNetns(owner);
    this.#pods.delete(netns);
    // Some runtimes remove the namespace first.
    if (owner.containerId.endsWith("7")) await this.#machine.removeNetns(netns);
    const done = await this.#cni("DEL", owner);
    if (done.code !== 0) throw refusal(done.stdout);
    await this.#machine.removeNetns(netns);
  }

  async #collect(containers: readonly string[]): Promise<void> {
    const attachments = containers.map((containerID) => ({ containerID, ifname: "eth0" }));
    const done = await run(shim, [], {
      env: { CNI_COMMAND: "GC", CNI_PATH: path.dirname(shim) },
      input: JSON.stringify({ ...this.#config(), "cni.dev/valid-attachments": attachments }),
      codes: "any",
    });
    if (done.code !== 0) throw new NoAnswer();
  }

  #podNetns(owner: Owner): string {
    return `tl-hammer-${process.pid}-${owner.containerId}`;
  }

  #cni(command: string, owner: Owner) {
    const [namespace, name] = owner.pod.split("/");
    return run(shim, [], {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: owner.containerId,
        CNI_NETNS: `/run/netns/${this.#podNetns(owner)}`,
        CNI_IFNAME: owner.ifName,
        CNI_PATH: path.dirname(shim),
        CNI_ARGS: `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name}`,
      },
      input: JSON.stringify(this.#config()),
      codes: "any",
    });
  }

  #config(): object {
    const queueDir = path.join(this.#folder, "cni-queue");
    return { cniVersion: "1.1.0", name: "pods", type: "trunkline", agentSocket: this.#socket, queueDir };
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async switchOff(): Promise<void> {
    await this.kill();
    for (const netns of this.#pods) await this.#machine.removeNetns(netns);
    this.#pods.clear();
    await this.#machine.removeNetns(this.#netns);
  }

  end(): Promise<void> {
    return this.switchOff();
  }

  leftovers(): readonly string[] {
    return this.#look((kernel) =>
      kernel.links
        .list()
        .filter(({ name }) => /^tl[0-9a-f]{13}$/.test(name))
        .map(({ name }) => `${this.name}: link ${name}`),
    );
  }

  get journals(): readonly string[] {
    return [path.join(this.#folder, "endpoints.journal"), path.join(this.journal, "ipam.journal")];
  }

  cutOff(owner: Owner, address: string): string | undefined {
    const name = hostInterfaceName(owner.containerId, owner.ifName);
    return this.#look((kernel) => {
      const index = kernel.links.get(name)?.index;
      if (index === undefined) return `the node has no link ${name}`;
      const routes = kernel.routes.list({ protocol: ROUTE_PROTOCOL });
      const leads = routes.some(
        (route) => route.destination === `${address}/32` && route.linkIndex === index,
      );
      return leads ? undefined : `no route leads to ${address} through ${name}`;
    });
  }

  /** Index of a link of the node. */
  link(name: string): number | undefined {
    return this.#look((kernel) => kernel.links.get(name)?.index);
  }

  /** Where the node's routes of ours lead. */
  routes(): readonly string[] {
    return this.#look((kernel) =>
      kernel.routes.list({ protocol: ROUTE_PROTOCOL }).map(({ destination }) => destination),
    );
  }

  #look<T>(at: (kernel: Kernel) => T): T {
    const kernel = this.#machine.open({ name: this.#netns });
    try {
      return at(kernel);
    } finally {
      kernel.close();
    }
  }

  /** What STATUS says: undefined where all is well. */
  async status(): Promise<object | undefined> {
    const done = await run(shim, [], {
      env: { CNI_COMMAND: "STATUS", CNI_PATH: path.dirname(shim) },
      input: JSON.stringify(this.#config()),
      codes: "any",
    });
    return done.code === 0 ? undefined : (JSON.parse(done.stdout) as object);
  }

  /** Settles when the node says that it can serve pods. */
  async untilReady(): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const why = await this.status();
      if (why === undefined) return;
      if (Date.now() > deadline)
        throw new Error(`${this.name} does not become ready: ${JSON.stringify(why)}`);
      await sleep(50);
    }
  }
}

function refusal(stdout: string): Error {
  let code = "unreadable";
  try {
    const { code: number, details } = JSON.parse(stdout) as { code?: number; details?: string };
    code = `cni ${number} ${details?.slice(0, 60)}`;
  } catch {
    // JSON.parse throws nothing but SyntaxError: the executable said nothing that is an error object.
  }
  return Object.assign(new Error(stdout), { code });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
