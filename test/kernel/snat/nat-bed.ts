// A bed for source translation: nodes on one wire with an outside host, pods as namespaces behind the nodes, and the
// manager in this process. Packets are real; only the CNI plugin and the agent's wiring are left out.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { NodeTable } from "../../../src/agent/managers/node-table.ts";
import { SnatManager } from "../../../src/agent/managers/snat-manager.ts";
import { silent } from "../../../src/base/log.ts";
import {
  type Kernel,
  linuxMachine,
  MAIN_TABLE,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from "../../../src/kernel/index.ts";
import type { ClusterFacts, LocalEndpoint, NodeFacts } from "../../../src/plan/facts.ts";
import { memoryStore } from "../../../src/store/memory.ts";
import type { Store } from "../../../src/store/store.ts";

const machine = linuxMachine();
let beds = 0;

export const vpcHost = "192.168.200.253";
export const internetHost = "203.0.113.10";
const outsideAddresses = [vpcHost, internetHost, "169.254.169.254", "10.5.0.1", "10.6.0.1"];
const outsideAddresses6 = ["fd20::1", "2001:db8::10"];

export interface BedNode {
  readonly name: string;
  readonly kernel: Kernel;
  readonly address: string;
  readonly address6: string;
  readonly netns: string;
  readonly manager: SnatManager;
  readonly stateDir: string;
  facts(): NodeFacts;
}

export interface BedPod {
  readonly kernel: Kernel;
  readonly ip: string;
  readonly node: BedNode;
}

export class NatBed {
  readonly #id = `${process.pid}-${beds++}`;
  readonly #names: string[] = [];
  readonly #kernels: Kernel[] = [];
  readonly #servers: net.Server[] = [];
  readonly #folders: string[] = [];
  readonly #cutOff = new Set<string>();
  readonly #bridge: string;
  readonly store: Store;
  readonly outside: Kernel;
  readonly nodes: BedNode[] = [];
  readonly pods: BedPod[] = [];

  constructor(store: Store = memoryStore()) {
    this.store = store;
    this.#bridge = this.#netns("wire");
    const wire = this.#open(this.#bridge);
    wire.links.add({ kind: "bridge", name: "br0", up: true });
    this.outside = this.#open(this.#netns("out"));
    this.#plug(this.outside, "out", ["192.168.18.1/24", "fd18::1/64"]);
    const lo = this.outside.links.get("lo")?.index ?? 1;
    for (const address of outsideAddresses)
      this.outside.addresses.add({ linkIndex: lo, address: `${address}/32`, scope: "global" });
    for (const address of outsideAddresses6)
      this.outside.addresses.add({ linkIndex: lo, address: `${address}/128`, scope: "global", noDad: true });
    this.outside.sysctl.set("net/ipv4/ip_forward", 1);
  }

  /** Listens on a port of the outside host, every address, both families. */
  async listen(
    port: number,
    onSocket: (socket: net.Socket) => void = (socket) => socket.end(peer(socket)),
  ): Promise<void> {
    for (const address of ["0.0.0.0", "::"]) {
      const server = net.createServer(onSocket);
      server.listen({ fd: this.outside.sockets.listenTcp(address, port) });
      await once(server, "listening");
      this.#servers.push(server);
    }
  }

  addNode(number: number): BedNode {
    const name = `node${number}`;
    const netns = this.#netns(`n${number}`);
    const kernel = this.#open(netns);
    const address = `192.168.18.1${number}`;
    const address6 = `fd18::1${number}`;
    this.#plug(kernel, `n${number}`, [`${address}/24`, `${address6}/64`]);
    kernel.sysctl.set("net/ipv4/ip_forward", 1);
    kernel.sysctl.set("net/ipv6/conf/all/forwarding", 1);
    const uplink = kernel.links.get("eth0")?.index ?? 0;
    for (const [family, destination, via] of [
      [4, "0.0.0.0/0", "192.168.18.1"],
      [6, "::/0", "fd18::1"],
    ] as const)
      kernel.routes.add({
        family,
        destination,
        via,
        type: "unicast",
        linkIndex: uplink,
        protocol: 4,
        table: MAIN_TABLE,
      });
    const stateDir = mkdtempSync(path.join(tmpdir(), "trunkline-nat-"));
    this.#folders.push(stateDir);
    const table = new NodeTable(kernel.nft, ["snat"]);
    const manager = new SnatManager({
      node: name,
      kernel,
      store: this.#storeFor(name),
      stateDir,
      table,
      logger: silent,
    });
    const endpoints = new Map<string, LocalEndpoint>();
    const facts = (): NodeFacts => ({
      node: name,
      addresses: [address, address6],
      uplink: "eth0",
      endpoints,
    });
    const node = { name, kernel, address, address6, netns, manager, stateDir, facts };
    this.nodes.push(node);
    return node;
  }

  /** Plugs a pod in and tells everybody on the wire the way to it. */
  addPod(node: BedNode, ip: string): BedPod {
    const kernel = this.#open(this.#netns(`p${this.pods.length}`));
    const family = ip.includes(":") ? 6 : 4;
    const length = family === 4 ? 32 : 128;
    const name = `pod${this.pods.length}`;
    const host = node.kernel.links.add({
      group: POD_LINK_GROUP,
      kind: "veth",
      name,
      up: true,
      peer: { name: "eth0", netns: { name: this.#names.at(-1) ?? "" }, up: true },
    });
    const eth0 = kernel.links.get("eth0")?.index ?? 0;
    kernel.addresses.add({ linkIndex: eth0, address: `${ip}/${length}`, scope: "global", noDad: true });
    const gateway = family === 4 ? "169.254.1.1" : "fe80::1";
    node.kernel.addresses.add({
      linkIndex: host.index,
      address: `${gateway}/${length}`,
      scope: "link",
      noDad: true,
    });
    kernel.routes.add({
      family,
      destination: family === 4 ? "0.0.0.0/0" : "::/0",
      via: gateway,
      linkIndex: eth0,
      onlink: true,
      type: "unicast",
      protocol: 4,
      table: MAIN_TABLE,
    });
    const destination = `${ip}/${length}`;
    const common = {
      family,
      destination,
      type: "unicast",
      protocol: ROUTE_PROTOCOL,
      table: MAIN_TABLE,
    } as const;
    node.kernel.routes.add({ ...common, linkIndex: host.index, scope: "link" });
    const via = family === 4 ? node.address : node.address6;
    for (const other of [this.outside, ...this.nodes.filter((one) => one !== node).map((one) => one.kernel)])
      other.routes.add({ ...common, via, linkIndex: other.links.get("eth0")?.index ?? 0 });
    const pod = { kernel, ip, node };
    this.pods.push(pod);
    return pod;
  }

  /** Returns the address that the outside host sees when the pod connects, or why it cannot. */
  async seen(pod: BedPod, destination: string, port = 80, timeoutMs = 1500): Promise<string> {
    const socket = this.connect(pod, destination, port);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.setTimeout(timeoutMs, () => socket.destroy(new RangeError("timeout")));
    try {
      await once(socket, "close");
    } catch (error) {
      return `none: ${(error as Error).message}`;
    } finally {
      socket.destroy();
    }
    return Buffer.concat(chunks).toString();
  }

  connect(pod: BedPod, destination: string, port: number): net.Socket {
    const fd = pod.kernel.sockets.connectTcp(destination, port);
    return new net.Socket({ fd, readable: true, writable: true });
  }

  /** Lets the node's manager put the facts into force. */
  async apply(node: BedNode, facts: ClusterFacts): Promise<void> {
    const kinds = ["configmaps", "ippools", "nodes", "namespaces", "pods", "sourcenats"];
    await node.manager.apply(facts, node.facts(), new Map(kinds.map((kind) => [kind, "all"])));
  }

  /** The node lives, but no longer reaches the store. */
  cutOff(node: BedNode): void {
    this.#cutOff.add(node.name);
  }

  #storeFor(node: string): Store {
    const isCutOff = () => this.#cutOff.has(node);
    return new Proxy(this.store, {
      get(store, name) {
        if (isCutOff()) throw new RangeError("the store does not answer");
        const member: unknown = Reflect.get(store, name);
        return typeof member === "function" ? (member.bind(store) as unknown) : member;
      },
    });
  }

  /** The node is gone from one moment to the next: nothing of it answers any more. */
  async kill(node: BedNode): Promise<void> {
    node.kernel.links.change("eth0", { up: false });
    await Promise.resolve();
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.manager.stop();
    for (const server of this.#servers) server.close();
    for (const kernel of this.#kernels) kernel.close();
    for (const name of this.#names) await machine.removeNetns(name);
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    await this.store.close();
  }

  #netns(what: string): string {
    const name = `tl-nat-${this.#id}-${what}`;
    machine.createNetns(name);
    this.#names.push(name);
    return name;
  }

  #open(name: string): Kernel {
    const kernel = machine.open({ name });
    // No pause for duplicate address detection on links that come later.
    for (const scope of ["all", "default"]) kernel.sysctl.set(`net/ipv6/conf/${scope}/accept_dad`, 0);
    this.#kernels.push(kernel);
    return kernel;
  }

  #plug(kernel: Kernel, port: string, addresses: readonly string[]): void {
    const name = this.#names.at(-1) ?? "";
    const wire = this.#kernels[0] as Kernel;
    wire.links.add({ kind: "veth", name: `w-${port}`, peer: { name: "eth0", netns: { name }, up: true } });
    const bridge = wire.links.get("br0")?.index ?? 0;
    wire.links.change(`w-${port}`, { master: bridge, up: true });
    const index = kernel.links.get("eth0")?.index ?? 0;
    for (const address of addresses)
      kernel.addresses.add({ linkIndex: index, address, scope: "global", noDad: address.includes(":") });
  }
}

/** Returns the peer's address in canonical form. */
export function peer(socket: net.Socket): string {
  return socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
}
