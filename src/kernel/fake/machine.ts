// A machine in memory that keeps the kernel's own rules: names stand once, removals take along what hangs on a thing,
// gateways must be reachable, events are told. For tests of everything above this room, without root.
import { TrunklineError } from "../../base/errors.ts";
import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type {
  Change,
  ConntrackFlow,
  EventGroup,
  Kernel,
  KernelEvent,
  Machine,
  NetnsRef,
  PacketLog,
} from "../kernel.ts";
import { checkedName, NETNS_FOLDER } from "../netns/enter.ts";
import { FakeAddresses } from "./addresses.ts";
import { FakeCalls } from "./calls.ts";
import { FakeContext, type FakeWorld } from "./context.ts";
import { addAddress, destroy, settle, setUp } from "./link-life.ts";
import { FakeLinks } from "./links.ts";
import { type FakeLink, Namespace, type PacketListener } from "./namespace.ts";
import { FakeNeighbours } from "./neighbours.ts";
import { FakeNft } from "./nft/nft.ts";
import { FakeRateLimits } from "./rate-limits.ts";
import { FakeConntrack, FakeSockets } from "./rest.ts";
import { FakeRoutes } from "./routes.ts";
import { FakeRules } from "./rules.ts";
import { FakeSysctl } from "./sysctl.ts";

export class FakeMachine implements Machine, FakeWorld {
  /** Counts changes, and lets a test break them. */
  readonly calls = new FakeCalls();
  readonly ipv6: boolean;
  readonly lacking = new Set<string>();
  readonly #names = new Map<string, Namespace>();
  readonly #self: Namespace;
  #made = 0;
  #macs = 0;

  constructor(ipv6 = true) {
    this.ipv6 = ipv6;
    this.#self = this.#make(true);
  }

  createNetns(name: string, mark?: string): string {
    checkedName(name);
    this.calls.change("createNetns", name);
    if (this.#names.has(name)) throw refusal(`make the network namespace '${name}'`, Errno.EEXIST);
    const made = this.#make(true);
    const loopback = made.linkNamed("lo");
    if (loopback !== undefined && mark !== undefined) loopback.facts.alias = mark;
    this.#names.set(name, made);
    return `${NETNS_FOLDER}/${name}`;
  }

  async removeNetns(name: string): Promise<void> {
    checkedName(name);
    this.calls.change("removeNetns", name);
    await Promise.resolve();
    const gone = this.#names.get(name);
    if (!gone) return;
    this.#names.delete(name);
    this.release(gone);
  }

  listNetns(): string[] {
    return [...this.#names.keys()].toSorted();
  }

  open(ref: NetnsRef): FakeKernel {
    return new FakeKernel(this, this.namespaceOf(ref));
  }

  identityOf(ref: NetnsRef): string {
    return this.namespaceOf(ref).id;
  }

  /** Sets the connections that a namespace tracks. @throws `kernel.no-netns` */
  setConntrack(ref: NetnsRef, flows: readonly ConntrackFlow[]): void {
    this.namespaceOf(ref).flows = [...flows];
  }

  /** Tells every watcher of a namespace that events were lost. @throws `kernel.no-netns` */
  loseEvents(ref: NetnsRef): void {
    this.namespaceOf(ref).lose();
  }

  /** @throws `kernel.no-netns` */
  namespaceOf(ref: NetnsRef): Namespace {
    if (ref === "self") return this.#self;
    const prefix = `${NETNS_FOLDER}/`;
    const name =
      "name" in ref ? ref.name : ref.path.startsWith(prefix) ? ref.path.slice(prefix.length) : undefined;
    const found = name === undefined ? undefined : this.#names.get(name);
    if (found) return found;
    const netns = "name" in ref ? prefix + ref.name : ref.path;
    throw new TrunklineError("kernel.no-netns", { netns, errno: "ENOENT" });
  }

  /** Lets go of a namespace, which ends with its last name and handle: its links die, and their peers with them. */
  release(namespace: Namespace): void {
    namespace.holders--;
    if (namespace.holders > 0) return;
    for (const link of namespace.links.values()) destroy(link);
  }

  nextMac(): string {
    const number = ++this.#macs;
    const bytes = [0x02, 0xfa, 0xce, (number >> 16) & 255, (number >> 8) & 255, number & 255];
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  #make(named: boolean): Namespace {
    const made = new Namespace(`fake:${++this.#made}`, this.ipv6);
    made.holders = named ? 1 : 0;
    const loopback: FakeLink = {
      home: made,
      features: new Map(),
      facts: {
        index: 0,
        name: "lo",
        kind: undefined,
        mac: "00:00:00:00:00:00",
        mtu: 65536,
        up: false,
        lower: undefined,
        master: undefined,
        alias: undefined,
        group: 0,
        addressGeneration: "eui64",
      },
    };
    settle(loopback, made);
    addAddress(made, { linkIndex: 1, address: "127.0.0.1/8", scope: "host" });
    addAddress(made, { linkIndex: 1, address: "::1/128", scope: "host" });
    setUp(loopback);
    return made;
  }
}

export class FakeKernel implements Kernel {
  readonly links: FakeLinks;
  readonly addresses: FakeAddresses;
  readonly routes: FakeRoutes;
  readonly rules: FakeRules;
  readonly neighbours: FakeNeighbours;
  readonly rateLimits: FakeRateLimits;
  readonly sysctl: FakeSysctl;
  readonly nft: FakeNft;
  readonly conntrack: FakeConntrack;
  readonly sockets = new FakeSockets();
  readonly #context: FakeContext;
  readonly #watches = new Set<{ stop(): void }>();

  constructor(machine: FakeMachine, namespace: Namespace) {
    const context = new FakeContext(machine, namespace);
    this.#context = context;
    this.links = new FakeLinks(context);
    this.addresses = new FakeAddresses(context);
    this.routes = new FakeRoutes(context);
    this.rules = new FakeRules(context);
    this.neighbours = new FakeNeighbours(context);
    this.rateLimits = new FakeRateLimits(context);
    this.sysctl = new FakeSysctl(context);
    this.nft = new FakeNft(context);
    this.conntrack = new FakeConntrack(context);
  }

  packetLog(group: number, onPackets: PacketListener): PacketLog {
    return this.#context.namespace("listen to a log group").listenToLog(group, onPackets);
  }

  ipsecPolicies(): number {
    return 0;
  }

  netstat(): string {
    this.#context.namespace("read the network's counters");
    return "TcpExt: TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure\nTcpExt: 0 0 0\n";
  }

  async apply(changes: readonly Change[]): Promise<void> {
    let refused: unknown;
    for (const change of changes)
      try {
        this.#change(change);
      } catch (error) {
        refused ??= error;
      }
    if (refused !== undefined) throw refused;
  }

  #change(change: Change): void {
    if (change.kind === "link") this.links.change(change.index, change.to);
    else if (change.kind === "address") this.addresses.add(change.address);
    else if (change.kind === "route") this.routes.replace(change.route);
    else if (change.kind === "neighbour") this.neighbours.replace(change.neighbour);
    else this.rateLimits.put(change.limit);
  }

  watch(groups: readonly EventGroup[], onEvent: (event: KernelEvent) => void): { stop(): void } {
    const watch = this.#context.namespace("watch events").watch(groups, this.#context, onEvent);
    this.#watches.add(watch);
    return watch;
  }

  close(): void {
    for (const watch of this.#watches) watch.stop();
    this.#watches.clear();
    this.#context.close();
  }
}
