// Paths for the first-packet bench: client, node and server in namespaces of their own, once for every set of rules, so
// that slices of all of them can take turns without loading anything in between.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Kernel, linuxMachine, MAIN_TABLE, ROUTE_PROTOCOL } from "../../src/kernel/index.ts";
import { ipOf, linkOf } from "./policy-cluster.ts";

const machine = linuxMachine();
const gateway = "169.254.1.1";

export class BenchPath {
  readonly name: string;
  readonly node: Kernel;
  readonly #children: ChildProcess[] = [];
  #client: ChildProcess | undefined;
  #lines: Interface | undefined;

  private constructor(name: string) {
    this.name = name;
    machine.createNetns(`${name}-n`);
    this.node = machine.open({ name: `${name}-n` });
    this.node.sysctl.set("net/ipv4/ip_forward", 1);
  }

  /** The server is pod 0 of makePathCluster, the client pod 1. */
  static async make(name: string): Promise<BenchPath> {
    const made = new BenchPath(name);
    made.#plug("s", linkOf(0), ipOf(0));
    made.#plug("c", linkOf(1), ipOf(1));
    made.#start(`${name}-s`, 1, ["accept", ipOf(0), "80"]);
    made.#start(`${name}-s`, 1, ["answer", ipOf(0), "81"]);
    made.#client = made.#start(`${name}-c`, 0, ["open", ipOf(0)]);
    if (made.#client.stdout) made.#lines = createInterface({ input: made.#client.stdout });
    await sleep(500);
    return made;
  }

  /** Returns how many a second, and microseconds of the client's processor time for each. */
  async slice(what: "tcp" | "udp", ms: number): Promise<{ rate: number; cpu: number }> {
    if (this.#lines === undefined) return { rate: 0, cpu: 0 };
    const line = once(this.#lines, "line") as Promise<[string]>;
    this.#client?.stdin?.write(`${what} ${ms}\n`);
    const [count = 0, cpu = 0] = (await line)[0].split(" ").map(Number);
    return { rate: (count * 1000) / ms, cpu: cpu / Math.max(1, count) };
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #plug(part: string, link: string, ip: string): void {
    const netns = `${this.name}-${part}`;
    machine.createNetns(netns);
    const kernel = machine.open({ name: netns });
    const host = this.node.links.add({
      kind: "veth",
      name: link,
      up: true,
      peer: { name: "eth0", netns: { name: netns }, up: true },
    });
    const eth0 = kernel.links.get("eth0");
    const linkIndex = eth0?.index ?? 0;
    const route = { family: 4, type: "unicast", protocol: ROUTE_PROTOCOL, table: MAIN_TABLE } as const;
    kernel.addresses.add({ linkIndex, address: `${ip}/32`, scope: "global" });
    kernel.neighbours.replace({ linkIndex, address: gateway, mac: host.mac ?? "", state: "permanent" });
    kernel.routes.add({ ...route, destination: "0.0.0.0/0", via: gateway, linkIndex, onlink: true });
    this.node.neighbours.replace({
      linkIndex: host.index,
      address: ip,
      mac: eth0?.mac ?? "",
      state: "permanent",
    });
    this.node.routes.add({ ...route, destination: `${ip}/32`, linkIndex: host.index });
    kernel.close();
  }

  #start(netns: string, core: number, args: readonly string[]): ChildProcess {
    const script = path.join(import.meta.dirname, "connector.ts");
    const command = ["netns", "exec", netns, "taskset", "-c", `${core}`, process.execPath, script, ...args];
    const child = spawn("ip", command, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    return child;
  }
}
