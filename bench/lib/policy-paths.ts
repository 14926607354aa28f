// Paths for the packet bench: client, node and server in namespaces of their own, once for every set of rules. Each path
// also has a table that only tracks connections, and either of the two sleeps (`dormant`): two paths of equal rules differ
// by up to 4 %, for where in memory their links happen to lie, so rules are compared with none on the very same path.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Kernel,
  linuxMachine,
  MAIN_TABLE,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from "../../src/kernel/index.ts";
import { ipOf, linkOf } from "./policy-cluster.ts";

const machine = linuxMachine();
const gateway = "169.254.1.1";
const WARM_MS = 5;

/** What is measured on a path. */
export interface Rules {
  /** Family and name. */
  readonly table: string;
  /** Also the strict reverse path check on the pods' links, as the agent's wires have it. */
  readonly reversePath: boolean;
}

const tracking = "inet tracking";

export class BenchPath {
  readonly name: string;
  readonly node: Kernel;
  readonly #children: ChildProcess[] = [];
  #rules: Rules | undefined;
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
    await made.node.nft.run(
      `add table ${tracking}\nadd chain ${tracking} f { type filter hook forward priority 0; policy accept; }\nadd rule ${tracking} f ct state established,related accept\n`,
    );
    if (made.#client.stdout) made.#lines = createInterface({ input: made.#client.stdout });
    await sleep(500);
    return made;
  }

  /** To be called once the rules are there: from then on `slice` measures with them, or with tracking alone. */
  ruledBy(rules: Rules): void {
    this.#rules = rules;
  }

  async #wake(ruled: boolean): Promise<void> {
    if (this.#rules === undefined) return;
    const { table, reversePath } = this.#rules;
    const [awake, asleep] = ruled ? [table, tracking] : [tracking, table];
    await this.node.nft.run(`add table ${awake}\nadd table ${asleep} { flags dormant; }\n`);
    const mode = ruled && reversePath ? "strict" : "off";
    for (const link of [linkOf(0), linkOf(1)]) this.node.links.change(link, { ipv4: { reversePath: mode } });
  }

  /** Like `slice`, by the path's rules or by tracking alone; the first packets after the change are not counted. */
  async sliceBy(what: "tcp" | "udp", ms: number, ruled: boolean): Promise<{ rate: number; cpu: number }> {
    await this.#wake(ruled);
    await this.slice(what, WARM_MS);
    return await this.slice(what, ms);
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
      group: POD_LINK_GROUP,
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
