// Keeps the node's tunnel devices, their addresses, what they know of other ends, and the rules about who may send
// through them equal to the plan. The node writes its tunnels' addresses on its Node object only once the devices
// stand: others take that as the sign that they may send. When a tunnel is not wanted any more the addresses go from
// the object first and the device a while later, so that what others still send arrives.
import { nodeAnnotations } from "../../api/kinds/routing/node-annotations.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Turns } from "../../base/turns.ts";
import { type Kernel, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { tunnelNodes, writeTunnelGuard } from "../../plan/routing/tunnel-guard.ts";
import { poolsForTunnel, tunnelMtus } from "../../plan/routing/tunnel-settings.ts";
import {
  LACKS_IPIP,
  outerAddress,
  TUNNEL_CONDITION,
  type TunnelType,
  tunnelEnds,
  tunnelMac,
  tunnelOf,
  tunnelTypes,
  wantedTunnels,
} from "../../plan/routing/tunnels.ts";
import type { Store } from "../../store/store.ts";
import { setNodeAnnotations } from "../node-annotations.ts";
import { setNodeCondition } from "../node-condition.ts";
import { leastMtu, ownAddresses } from "../node-links.ts";
import type { TunnelAddresses } from "../pods/addresses.ts";
import type { Changes, Manager } from "./manager.ts";
import type { NodeTable } from "./node-table.ts";
import { TunnelCut } from "./tunnel-cut.ts";
import { setEnds, standUp, takeDown } from "./tunnel-device.ts";

/** Of the node's nftables table. */
const PART = "tunnel";
/** How long others have to hear that a tunnel is not to be used any more, in milliseconds. */
const LINGER_MS = 3000;
/** For so much longer a device stays while routes of this node still lead through it. */
const LONGEST_MS = 15_000;
/** Pause before such routes are looked for again, in milliseconds. */
const LOOK_MS = 500;
/** Pause before an address is asked for again, or the store is told again, in milliseconds. */
const AGAIN_MS = 2000;

export interface TunnelManagerOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly table: NodeTable;
  /** Undefined: no tunnel can have an address, and so none stands. */
  readonly addresses: TunnelAddresses | undefined;
  readonly logger: Logger;
  /** Has connections judged anew that pass rules by; default: there are none. */
  readonly renew?: () => Promise<void>;
  /** Default LINGER_MS. */
  readonly lingerMs?: number;
}

/** How it is with one type of tunnel that is wanted. */
type State = { readonly inner: string } | { readonly waits: string; readonly lacking?: true };

export class TunnelManager implements Manager {
  readonly name = "tunnels";
  readonly concerns = ["link", "address", "nftables"] as const;
  readonly kinds = ["ippools", "nodes", "routingconfigurations"] as const;
  readonly #options: TunnelManagerOptions;
  #known: { readonly facts: ClusterFacts; readonly node: NodeFacts } | undefined;
  #states = new Map<TunnelType, State>();
  /** Why a device has no address yet. */
  readonly #failures = new Map<TunnelType, string>();
  readonly #asking = new Set<TunnelType>();
  /** When what is not wanted any more is taken down. */
  readonly #lingering = new Map<TunnelType, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #synced = false;
  #told = "";
  #stopped = false;
  readonly #turns = new Turns();
  readonly #cut: TunnelCut;

  constructor(options: TunnelManagerOptions) {
    this.#options = options;
    this.#cut = new TunnelCut(options.kernel.conntrack, options.renew ?? (async () => {}));
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    if (this.#synced && !this.kinds.some((kind) => changes.has(kind))) return;
    await this.#turns.run(() => this.#make(facts, node));
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#synced) await this.#options.table.restore(PART);
      await this.#make(facts, node);
    });
  }

  /** Devices stay, and so do the ways through them. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#turns.settled();
  }

  problems() {
    return [...this.#states].flatMap(([{ device }, state]) =>
      "waits" in state
        ? [{ code: "tunnel.not-ready", message: `${device}: ${state.waits}`, object: this.#object }]
        : [],
    );
  }

  get #object(): string {
    return `Node/${this.#options.node}`;
  }

  async #make(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    this.#synced = false;
    this.#known = { facts, node };
    const wanted = wantedTunnels(facts);
    const present = tunnelTypes.filter((type) => wanted.includes(type) || this.#isLeft(type));
    // Nothing may come in by a device, and nothing pass for what comes in by it, before the rules are in force.
    const ends = this.#guard(facts, present);
    await this.#options.table.commit(PART);
    this.#cut.note(present, ends, () => ownAddresses(this.#options.kernel));
    const again = await this.#cut.run();
    if (again > 0) this.#later(again + 1);
    const states = new Map<TunnelType, State>();
    for (const type of wanted) states.set(type, await this.#stand(facts, node, type));
    for (const type of present) if (!wanted.includes(type)) await this.#leave(type);
    this.#states = states;
    this.#tell(facts);
    this.#synced = true;
  }

  /** Returns whether something of a tunnel is there, also of an agent that ended before it was taken away. */
  #isLeft(type: TunnelType): boolean {
    const { kernel, addresses } = this.#options;
    const known = this.#lingering.has(type) || this.#states.has(type);
    // tunl0 is the kernel's own: what we hold for it tells whether we used it.
    const made = type.kind !== "ipip" && kernel.links.get(type.device) !== undefined;
    return known || made || addresses?.held(type.device) !== undefined;
  }

  /** Returns the addresses that tunnels may end at. */
  #guard(facts: ClusterFacts, types: readonly TunnelType[]): readonly string[] {
    const none = { 4: [], 6: [] };
    const nodes = types.length === 0 ? { all: none, others: none } : tunnelNodes(facts, this.#options.node);
    writeTunnelGuard(this.#options.table.document(PART), types, nodes);
    return [...nodes.all[4], ...nodes.all[6]];
  }

  async #stand(facts: ClusterFacts, own: NodeFacts, type: TunnelType): Promise<State> {
    const { kernel, node } = this.#options;
    this.#lingering.delete(type);
    const self = facts.nodes.get(node);
    const local = self && outerAddress(facts, self, type.family);
    if (local === undefined) return { waits: `the node has no IPv${type.family} address` };
    const least = leastMtu(kernel, own);
    const mtu = tunnelMtus(facts, least, [type])[type.kind] ?? least;
    const inner = this.#inner(facts, type);
    try {
      const { index } = await standUp(kernel, type, { local, mac: tunnelMac(node), mtu, inner });
      if (type.kind !== "ipip") setEnds(kernel, index, tunnelEnds(facts, node, type));
    } catch (error) {
      if (!isError(error, "kernel.refused") || error.data.errno !== "EOPNOTSUPP") throw error;
      const what = type.kind === "ipip" ? "IP in IP (module ipip)" : "VXLAN (module vxlan)";
      return { waits: `the kernel has no ${what}: packets go as without a tunnel`, lacking: true };
    }
    if (inner !== undefined) return { inner };
    this.#ask(facts, type);
    return {
      waits: this.#failures.get(type) ?? "an address of a pool with such a tunnel is being held for it",
    };
  }

  /** Returns the address that a device holds, if it is of a pool that has such a tunnel now. */
  #inner(facts: ClusterFacts, type: TunnelType): string | undefined {
    const held = this.#options.addresses?.held(type.device);
    const pool = held && facts.pools.get(held.pool);
    // What was found in use after a journal was lost names no pool.
    return held && (held.pool === "" || (pool && tunnelOf(pool)?.type === type)) ? held.address : undefined;
  }

  /**
   * Holds an address for a device, instead of one of another pool that it may have. In the background: the store may be
   * away, and routes and rules of others must not wait for it.
   */
  #ask(facts: ClusterFacts, type: TunnelType): void {
    const { addresses, node } = this.#options;
    if (!addresses || this.#asking.has(type)) return;
    const pools = poolsForTunnel(facts, node, type);
    if (pools.length === 0) {
      // Told again when pools or the node change.
      this.#failures.set(type, "no enabled pool with such a tunnel is for this node");
      return;
    }
    const hold = async (): Promise<void> => {
      await addresses.release(type.device);
      await addresses.hold(type.device, pools, type.family);
    };
    this.#asking.add(type);
    hold()
      .then(
        () => {
          this.#failures.delete(type);
          this.#later(0);
        },
        (error: unknown) => {
          this.#failures.set(type, `no address: ${textOf(error)}`);
          this.#later(AGAIN_MS);
        },
      )
      .finally(() => this.#asking.delete(type));
  }

  async #leave(type: TunnelType): Promise<void> {
    const until = this.#lingering.get(type);
    const now = performance.now();
    if (until === undefined) {
      const linger = this.#options.lingerMs ?? LINGER_MS;
      this.#lingering.set(type, now + linger);
      this.#later(linger + 1);
      return;
    }
    if (now < until) return;
    // The kernel drops routes with their device. What takes their place, BIRD's, may still be on its way.
    if (now < until + LONGEST_MS && this.#carries(type)) {
      this.#later(LOOK_MS);
      return;
    }
    await takeDown(this.#options.kernel, type);
    await this.#options.addresses?.release(type.device);
    this.#lingering.delete(type);
    this.#failures.delete(type);
    this.#later(0);
  }

  /** Whether packets to other nodes' blocks still go by a device. */
  #carries({ device }: TunnelType): boolean {
    const { links, routes } = this.#options.kernel;
    const index = links.get(device)?.index;
    if (index === undefined) return false;
    return routes.list({ protocol: ROUTE_PROTOCOL }).some(({ linkIndex }) => linkIndex === index);
  }

  /** Writes on the Node object what stands, and what does not and why. */
  #tell(facts: ClusterFacts): void {
    const { store, node, logger, kernel } = this.#options;
    const self = facts.nodes.get(node);
    if (!self) return;
    const inner = (type: TunnelType): string | undefined => {
      const state = this.#states.get(type);
      return state && "inner" in state ? state.inner : undefined;
    };
    const types = [...this.#states.keys()].filter((type) => inner(type) !== undefined);
    const vxlan = types.some(({ kind }) => kind !== "ipip");
    const annotations = {
      ...Object.fromEntries(tunnelTypes.map((type) => [nodeAnnotations[type.annotation], inner(type)])),
      [nodeAnnotations.vxlanTunnelMac]: vxlan ? tunnelMac(node) : undefined,
    };
    const condition = this.#condition();
    const told = JSON.stringify([self.metadata.uid, annotations, condition]);
    const written = Object.entries(annotations).every(
      ([name, value]) => (self.metadata.annotations?.[name] ?? undefined) === value,
    );
    const before = self.status?.conditions?.find(({ type }) => type === TUNNEL_CONDITION);
    const needed = condition.reason !== "NotNeeded" || (before && before.reason !== condition.reason);
    if (written && (told === this.#told || !needed)) return;
    const write = async (): Promise<void> => {
      await setNodeAnnotations(store, node, annotations);
      if (needed) await setNodeCondition(store, node, condition);
    };
    write().then(
      () => {
        this.#told = told;
        const devices = types.map(({ device }) => `${device} ${kernel.links.get(device)?.mtu ?? ""}`);
        logger.info({ tunnels: devices, condition: condition.reason }, "tunnels stand as the node now says");
      },
      (error: unknown) => {
        logger.warn({ error: textOf(error) }, "the node's tunnels could not be written down");
        this.#later(AGAIN_MS);
      },
    );
  }

  #condition() {
    const waiting = [...this.#states].flatMap(([{ device }, state]) =>
      "waits" in state ? [{ device, ...state }] : [],
    );
    const message = waiting.map(({ device, waits }) => `${device}: ${waits}`).join("; ");
    const type = TUNNEL_CONDITION;
    if (this.#states.size === 0) return { type, status: "True", reason: "NotNeeded", message: "" } as const;
    if (waiting.length === 0) return { type, status: "True", reason: "TunnelsStand", message: "" } as const;
    const lacking = waiting.find((one) => one.lacking);
    const lacks = lacking?.device === "tunl0" ? LACKS_IPIP : "KernelLacksVXLAN";
    return { type, status: "False", reason: lacking ? lacks : "TunnelsNotReady", message } as const;
  }

  /** Something changed that no fact tells: the same facts again. */
  #later(ms: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const known = this.#known;
      if (!known) return;
      this.#turns
        .run(() => this.#make(known.facts, known.node))
        .catch((error: unknown) => {
          this.#options.logger.warn({ error: textOf(error) }, "tunnels could not be brought in line");
          this.#later(AGAIN_MS);
        });
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }
}
