// One node with pods, as namespaces behind veths, and the policy manager in this process. Packets are real: each flow is
// one first packet with a source port of its own, sent from a raw socket and looked for at its destination. So thousands
// of flows are judged in the time that the slowest packet takes, and nothing waits for what was dropped.
import { setTimeout as sleep } from "node:timers/promises";
import { NodeTable } from "../../../src/agent/managers/node-table.ts";
import { PolicyManager } from "../../../src/agent/managers/policy/policy-manager.ts";
import { isError } from "../../../src/base/errors.ts";
import { silent } from "../../../src/base/log.ts";
import {
  type Kernel,
  linuxMachine,
  MAIN_TABLE,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from "../../../src/kernel/index.ts";
import {
  type ClusterFacts,
  emptyFacts,
  type LocalEndpoint,
  type NodeFacts,
} from "../../../src/plan/facts.ts";
import { firstPacket, protocolNumber, type TransportName } from "../packets.ts";

const machine = linuxMachine();
const gateways = { 4: "169.254.1.1", 6: "fe80::1" } as const;
const kinds = ["nodes", "namespaces", "pods", "networkpolicies", "configmaps", "endpoints"];
/** Above every port that flows go to: a reply's source port must not look like a flow's. */
const firstSourcePort = 10_000;
/** Source port of the packet that ends a queue. */
const lastPort = 65_000;
let beds = 0;

export interface BedFlow {
  readonly from: string;
  readonly to: string;
  readonly protocol: TransportName;
  readonly port: number;
  /** Default: one that no other flow has. */
  readonly sourcePort?: number;
  /** Whose socket sends it, which must have a route with `from` as its source; default: that of `from`. */
  readonly by?: string;
}

export interface BedEnd {
  readonly kernel: Kernel;
  readonly ips: readonly string[];
  /** Host end of its veth. */
  readonly link: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class PolicyBed {
  readonly node: Kernel;
  /** Of the node's namespace. */
  readonly nodeName: string;
  readonly addresses: readonly string[];
  readonly #id = `${process.pid}-${beds++}`;
  readonly #names: string[] = [];
  readonly #kernels: Kernel[] = [];
  readonly #ends = new Map<string, BedEnd>();
  readonly #raw = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  readonly #seen = new Set<string>();
  readonly endpoints = new Map<string, LocalEndpoint>();
  facts: Mutable<ClusterFacts> = emptyFacts();
  table!: NodeTable;
  manager!: PolicyManager;
  #port = firstSourcePort;

  /** `addresses`: the node's own. */
  constructor(addresses: readonly string[] = ["192.168.18.1", "fd18::1"]) {
    this.addresses = addresses;
    this.nodeName = this.#netns("node");
    this.node = this.#open(this.nodeName);
    this.node.sysctl.set("net/ipv4/ip_forward", 1);
    this.node.sysctl.set("net/ipv6/conf/all/forwarding", 1);
    // Link-local addresses of pods' interfaces serve at once, and not after a second of looking for duplicates.
    this.node.sysctl.set("net/ipv6/conf/default/accept_dad", 0);
    const lo = this.node.links.get("lo")?.index ?? 1;
    for (const ip of addresses)
      this.node.addresses.add({ linkIndex: lo, address: withLength(ip), scope: "global", noDad: true });
    this.#listen(this.node, { kernel: this.node, ips: addresses, link: "lo" });
    this.startManager();
  }

  /** A new manager, as after the agent's restart: it knows nothing of what the kernel has. */
  startManager(): void {
    this.table = new NodeTable(this.node.nft, ["policy"]);
    this.manager = new PolicyManager({ kernel: this.node, table: this.table, logger: silent, log: true });
  }

  nodeFacts(): NodeFacts {
    return { node: "n1", addresses: this.addresses, uplink: "lo", endpoints: this.endpoints };
  }

  /** Plugs an end in; `link` is the name of its veth's host end: local pods' begin with `tl`. */
  plug(link: string, ips: readonly string[]): BedEnd {
    const netns = this.#netns(link);
    const kernel = this.#open(netns);
    const host = this.node.links.add({
      kind: "veth",
      name: link,
      ...(link.startsWith("tl") && { group: POD_LINK_GROUP }),
      up: true,
      peer: { name: "eth0", netns: { name: netns }, up: true },
    });
    // As the agent's wires have it.
    if (link.startsWith("tl")) this.node.links.change(host.index, { ipv4: { reversePath: "strict" } });
    const eth0 = kernel.links.get("eth0");
    const linkIndex = eth0?.index ?? 0;
    for (const ip of ips) {
      kernel.addresses.add({ linkIndex, address: withLength(ip), scope: "global", noDad: true });
      const route = {
        family: familyOf(ip),
        type: "unicast",
        protocol: ROUTE_PROTOCOL,
        table: MAIN_TABLE,
      } as const;
      const source = this.addresses.find((one) => familyOf(one) === route.family);
      this.node.routes.add({
        ...route,
        destination: withLength(ip),
        linkIndex: host.index,
        ...(source !== undefined && { source }),
      });
      this.node.neighbours.replace({
        linkIndex: host.index,
        address: ip,
        mac: eth0?.mac ?? "",
        state: "permanent",
      });
      const via = gateways[route.family];
      kernel.neighbours.replace({ linkIndex, address: via, mac: host.mac ?? "", state: "permanent" });
      const destination = route.family === 4 ? "0.0.0.0/0" : "::/0";
      kernel.routes.add({ ...route, destination, via, linkIndex, onlink: true });
    }
    const end = { kernel, ips, link };
    for (const ip of ips) this.#ends.set(ip, end);
    this.#listen(kernel, end);
    return end;
  }

  end(ip: string): BedEnd | undefined {
    return this.#ends.get(ip);
  }

  /** Hands the facts over as they are now; `told` names what changed, default: everything. */
  async apply(told?: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const changes = told ?? new Map(kinds.map((kind) => [kind, "all" as const]));
    await this.manager.apply(this.facts, this.nodeFacts(), changes);
  }

  /** Sends one first packet a flow, `burst` of them in a millisecond, and returns, in order, which of them arrived. */
  async send(flows: readonly BedFlow[], flags?: number, burst = 64): Promise<boolean[]> {
    const wanted: string[] = [];
    for (const flow of flows) {
      this.#port = this.#port >= 60_000 ? firstSourcePort : this.#port + 1;
      const { protocol, from, to, port, sourcePort = this.#port, by = from } = flow;
      const packet = firstPacket({ protocol, from, to, port, sourcePort }, flags);
      const end = this.#ends.get(by);
      const fd = this.#raw.get(`${by}/${protocol}`);
      wanted.push(`${to}/${protocol}/${sourcePort}`);
      if (end !== undefined && fd !== undefined) sendOrDrop(end.kernel, fd, to, packet);
      // Receivers get their turn before their buffers are full.
      if (wanted.length % burst === 0) await sleep(1);
    }
    await this.#quiet(flows);
    return wanted.map((key) => this.#seen.delete(key));
  }

  /** Takes everything away again. */
  async close(): Promise<void> {
    await this.manager.stop();
    for (const stop of this.#stops) stop();
    for (const kernel of this.#kernels) kernel.close();
    await Promise.all(this.#names.map((name) => machine.removeNetns(name)));
  }

  /**
   * Waits until every receiver has read its queue: each sends itself one packet more, which comes after the others.
   * Sending is synchronous on a veth, but a queue may be handed to the kernel's own thread: hence the first pause.
   */
  async #quiet(flows: readonly BedFlow[]): Promise<void> {
    await sleep(5);
    const waiting = new Set<string>();
    for (const { to, protocol } of flows) {
      const end = this.#ends.get(to);
      const fd = this.#raw.get(`${to}/${protocol}`);
      const key = `${to}/${protocol}/${lastPort}`;
      if (end === undefined || fd === undefined || waiting.has(key)) continue;
      waiting.add(key);
      const packet = firstPacket({ protocol, from: to, to, port: 9, sourcePort: lastPort });
      end.kernel.sockets.sendRaw(fd, to, packet);
    }
    for (let tries = 0; tries < 400 && waiting.size > 0; tries++) {
      await sleep(5);
      for (const key of waiting) if (this.#seen.delete(key)) waiting.delete(key);
    }
    if (waiting.size > 0) throw new TypeError(`receivers do not answer: ${[...waiting].join()}`);
  }

  #listen(kernel: Kernel, end: BedEnd): void {
    for (const ip of end.ips) this.#ends.set(ip, end);
    for (const family of [4, 6] as const) {
      const mine = end.ips.filter((ip) => familyOf(ip) === family);
      if (mine.length === 0) continue;
      for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
        const fd = kernel.sockets.openRaw(family, protocolNumber[protocol]);
        const { stop } = kernel.sockets.receiveRaw(fd, (packet) => {
          const start = family === 4 ? ((packet[0] ?? 0) & 15) * 4 : 0;
          const port = ((packet[start] ?? 0) << 8) | (packet[start + 1] ?? 0);
          for (const ip of mine) this.#seen.add(`${ip}/${protocol}/${port}`);
        });
        for (const ip of mine) this.#raw.set(`${ip}/${protocol}`, fd);
        this.#stops.push(() => {
          stop();
          kernel.sockets.close(fd);
        });
      }
    }
  }

  #netns(part: string): string {
    const name = `tlp-${this.#id}-${part}`;
    machine.createNetns(name);
    this.#names.push(name);
    return name;
  }

  #open(name: string): Kernel {
    const kernel = machine.open({ name });
    this.#kernels.push(kernel);
    return kernel;
  }
}

/** Dropped in the output hook, a packet's sender is told so. */
function sendOrDrop(kernel: Kernel, fd: number, to: string, packet: Uint8Array): void {
  try {
    kernel.sockets.sendRaw(fd, to, packet);
  } catch (error) {
    if (!isError(error, "kernel.permission")) throw error;
  }
}

export function familyOf(ip: string): 4 | 6 {
  return ip.includes(":") ? 6 : 4;
}

function withLength(ip: string): string {
  return `${ip}/${familyOf(ip) === 4 ? 32 : 128}`;
}
