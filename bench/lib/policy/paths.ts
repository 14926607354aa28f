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
} from "../../../src/kernel/index.ts";
import { ip6Of, ipOf, linkOf } from "./cluster.ts";

const machine = linuxMachine();
const gateways = { 4: "169.254.1.1", 6: "fe80::1" } as const;
const everywhere = { 4: "0.0.0.0/0", 6: "::/0" } as const;
const WARM_MS = 5;

/** What is measured on a path. */
export interface Rules {
  /** Family and name. */
  readonly table: string;
  /** Also the strict reverse path check on the pods' links, as the agent's wires have it. */
  readonly reversePath: boolean;
  /** What is awake while that table sleeps; default: a table that only tracks connections. */
  readonly instead?: readonly string[];
}

const tracking = "inet tracking";

/** Returns what makes a table, by family and name, that tracks connections and no more. */
export function trackingText(table: string): string {
  return `add table ${table}\nadd chain ${table} f { type filter hook forward priority 0; policy accept; }\nadd rule ${table} f ct state established,related accept\n`;
}

export class BenchPath {
  readonly name: string;
  readonly node: Kernel;
  readonly #family: 4 | 6;
  readonly #children: ChildProcess[] = [];
  #rules: Rules | undefined;
  #client: ChildProcess | undefined;
  #lines: Interface | undefined;

  private constructor(name: string, family: 4 | 6) {
    this.name = name;
    this.#family = family;
    machine.createNetns(`${name}-n`);
    this.node = machine.open({ name: `${name}-n` });
    this.node.sysctl.set(family === 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding", 1);
  }

  /** The server is pod 0 of makePathCluster, the client pod 1. */
  static async make(name: string, family: 4 | 6 = 4): Promise<BenchPath> {
    const made = new BenchPath(name, family);
    const [server, client] = [0, 1].map(family === 4 ? ipOf : ip6Of) as [string, string];
    made.#plug("s", linkOf(0), server);
    made.#plug("c", linkOf(1), client);
    made.#start(`${name}-s`, 1, ["accept", server, "80"]);
    made.#start(`${name}-s`, 1, ["answer", server, "81"]);
    made.#client = made.#start(`${name}-c`, 0, ["open", server]);
    await made.node.nft.run(trackingText(tracking));
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
    const { table, reversePath, instead = [tracking] } = this.#rules;
    const [awake, asleep] = ruled ? [[table], instead] : [instead, [table]];
    await this.node.nft.run(
      [
        ...awake.map((name) => `add table ${name}\n`),
        ...asleep.map((name) => `add table ${name} { flags dormant; }\n`),
      ].join(""),
    );
    const mode = ruled && reversePath ? "strict" : "off";
    for (const link of [linkOf(0), linkOf(1)]) this.node.links.change(link, { ipv4: { reversePath: mode } });
  }

  /**
   * A slice by the rules between two without them. Returns how many a second there were without, and the ratio of processor
   * time: 1 where the rules cost nothing.
   */
  async pair(what: "tcp" | "udp", ms: number): Promise<{ ratio: number; rates: readonly number[] }> {
    const before = await this.sliceBy(what, ms, false);
    const { cpu } = await this.sliceBy(what, ms, true);
    const after = await this.sliceBy(what, ms, false);
    return { ratio: (before.cpu + after.cpu) / (2 * cpu), rates: [before.rate, after.rate] };
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
    const family = this.#family;
    const via = gateways[family];
    const own = `${ip}/${family === 4 ? 32 : 128}`;
    const route = { family, type: "unicast", protocol: ROUTE_PROTOCOL, table: MAIN_TABLE } as const;
    const lasting = { state: "permanent" } as const;
    kernel.addresses.add({ linkIndex, address: own, scope: "global", ...(family === 6 && { noDad: true }) });
    kernel.neighbours.replace({ linkIndex, address: via, mac: host.mac ?? "", ...lasting });
    kernel.routes.add({ ...route, destination: everywhere[family], via, linkIndex, onlink: true });
    this.node.neighbours.replace({ linkIndex: host.index, address: ip, mac: eth0?.mac ?? "", ...lasting });
    this.node.routes.add({ ...route, destination: own, linkIndex: host.index });
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
