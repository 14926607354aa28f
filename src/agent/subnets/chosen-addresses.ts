// Where a pod's address comes from is decided here, once: a network of its own (PodNetworking), the vSwitches of its
// node's configuration, or else pools (by annotation, then by node). Nothing falls from one to the next because it failed.
import { type Pod, podKind } from "../../api/kinds/core.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { wantsOwnNetwork } from "../../plan/subnets/demand.ts";
import { instanceOf, isExclusiveNode } from "../../plan/subnets/own-interface.ts";
import { isReady, networksOf } from "../../plan/subnets/pod-network.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import { type Changes, concerns, type Manager } from "../managers/manager.ts";
import { setNodeCondition } from "../node-condition.ts";
import type { AgentParts } from "../options.ts";
import type {
  AddressesInUse,
  AddressOwner,
  AddressRequest,
  AddressSource,
  TunnelAddresses,
} from "../pods/addresses.ts";
import { endpointKey, podKey } from "../pods/endpoint.ts";
import { type PoolAddresses, poolAddresses } from "../pods/pool-addresses.ts";
import { ConfigManager } from "./config-manager.ts";
import type { AddressPlace } from "./group-manager.ts";
import { InterfaceManager } from "./interface-manager.ts";
import { ControllerWatch } from "./own/controller-watch.ts";
import type { OwnWire } from "./own/own-book.ts";
import { OwnWires } from "./own/own-wires.ts";
import { PodWaits } from "./pod-waits.ts";
import { ConcernedPods } from "./pool/concerned-pods.ts";
import { SubnetPool } from "./pool/pool.ts";
import type { OwnInterface } from "./pool/pool-book.ts";
import { PoolReporter } from "./pool/pool-reporter.ts";

/** How long ADD waits for a pod's object that the node has not heard of yet, in milliseconds. */
const POD_WAIT_MS = 1000;
const DEFAULT_REST_MS = 30_000;

/** Starts all sources of addresses of a node. @throws `ipam.journal` */
export async function chosenAddresses(parts: AgentParts): Promise<ChosenAddresses> {
  return new ChosenAddresses(parts, await poolAddresses(parts));
}

export class ChosenAddresses implements AddressSource {
  readonly managers: readonly Manager[];
  readonly ready: Promise<unknown>;
  readonly tunnels: TunnelAddresses;
  readonly #parts: AgentParts;
  readonly #pools: PoolAddresses;
  readonly #config: ConfigManager;
  readonly #subnets: SubnetPool | undefined;
  /** Interfaces that single pods have to themselves. */
  readonly #own: OwnWires;
  readonly #waits: PodWaits;
  /** Those that the subnets' pool asks about. */
  readonly #concerned: ConcernedPods;
  readonly #reporter: PoolReporter | undefined;

  constructor(parts: AgentParts, pools: PoolAddresses) {
    const { node, store, facts, logger, kernel, stateDir, cloud, now = Date.now } = parts;
    this.#parts = parts;
    this.#pools = pools;
    this.ready = pools.ready;
    this.tunnels = pools.tunnels;
    const events = new EventRecorder(store, { component: "trunkline-agent", host: node }, logger);
    this.#config = new ConfigManager({ node, store, events, logger, now });
    this.#concerned = new ConcernedPods(node, facts.pods);
    this.#waits = new PodWaits({ store, events, logger, pods: facts.pods, now });
    if (cloud) {
      const subnets = new SubnetPool({
        ...cloud,
        node,
        facts: { ...facts, pods: this.#concerned.pods },
        needyNodes: () => this.#concerned.needyNodes(),
        stateDir,
        logger,
        restMs: parts.addressCooldownMs ?? DEFAULT_REST_MS,
        clock: parts.clock,
        config: () => this.#config.current,
        instanceID: () => this.#machine(),
        isExclusive: () => isExclusiveNode(facts.nodes.get(node)),
        changed: () => {
          this.#reporter?.note();
          interfaces.touch();
        },
        came: (count) => this.#waits.hurry(node, count),
      });
      for (const { address, uid, containerId, ifName } of parts.inUse())
        if (containerId !== undefined && ifName !== undefined && ownsAddress(subnets, address))
          subnets.book.hold(address, { key: endpointKey({ containerId, ifName }), uid });
      this.#reporter = new PoolReporter({ node, store, logger, facts, pool: subnets, config: this.#config });
      this.#subnets = subnets;
      this.#config.on(() => subnets.poke());
    }
    const book = this.#subnets?.book;
    const plugs = cloud?.plugs?.({ facts, node });
    const interfaces = new InterfaceManager({
      kernel,
      logger,
      interfaces: () => book?.interfaces ?? new Map<string, OwnInterface>(),
      own: () => this.#own.book.wires,
      tell: (condition) => {
        setNodeCondition(store, node, condition).catch((error: unknown) =>
          logger.warn({ error: textOf(error) }, "the node's condition could not be written"),
        );
      },
      plugs,
    });
    const controller = new ControllerWatch(store);
    this.#own = new OwnWires({
      kernel,
      facts,
      logger,
      stateDir,
      provider: cloud?.provider,
      controller: () => controller.look(),
      membersShareMac: cloud?.membersShareMac,
      instanceID: () => this.#machine(),
      plugs,
      changed: () => interfaces.touch(),
    });
    this.managers = [pools.manager, this.#config, this.#follower(), interfaces];
  }

  async allocate(request: AddressRequest): Promise<readonly string[]> {
    const { pod } = request;
    try {
      const addresses = await this.#allocate(request);
      if (pod) this.#waits.over(pod, addresses);
      return addresses;
    } catch (error) {
      if (pod) this.#waits.failed(pod, error);
      throw error;
    }
  }

  async #allocate(request: AddressRequest): Promise<readonly string[]> {
    const { node, facts } = this.#parts;
    const { pod } = request;
    const config = this.#config.current;
    const ofSubnets = config !== undefined && config.state !== "none";
    if (ofSubnets || facts.podNetworkings.size > 0 || facts.podEnis.size > 0) {
      const object = await this.#objectOf(request);
      if (object && wantsOwnNetwork(object)) {
        const { uid } = object.metadata;
        return [await this.#own.allocate({ key: endpointKey(request), pod: podKey(pod), uid })];
      }
      // Selected at admission or not: who is meant for a network of its own does not start on the shared one.
      if (pod && facts.podNetworkings.size > 0) {
        if (!object) throw new TrunklineError("subnet.pod-unknown", { pod: podKey(pod) });
        const namespace = facts.namespaces.get(pod.namespace);
        const selecting = networksOf(object, namespace, facts.podNetworkings.values(), this.#furtherKinds());
        const [first] = selecting;
        const ready = selecting.find(isReady);
        const { name: network = "" } = (ready ?? first)?.metadata ?? {};
        if (ready) throw new TrunklineError("subnet.bypassed", { pod: podKey(pod), network });
        const why = first?.status?.message ?? "it is being looked at";
        if (first) throw new TrunklineError("subnet.pod-networking", { pod: podKey(pod), network, why });
      }
    }
    // Nothing is guessed while nobody has said where this node's pods belong.
    if (!config)
      throw new TrunklineError("ipam.not-ready", { node, why: "its configuration is not known yet" });
    if (config.state === "none") return this.#pools.allocate(request);
    if (config.state === "error") {
      const { reason, message } = config;
      throw new TrunklineError("subnet.config", { node, reason, message });
    }
    if (config.vSwitchIDs.length === 0) return this.#pools.allocate(request);
    if (!this.#subnets) throw new TrunklineError("subnet.no-provider", { node });
    const holder = { key: endpointKey(request), uid: pod?.uid ?? "" };
    return [await this.#subnets.allocate(holder, (error) => pod && this.#waits.failed(pod, error))];
  }

  async release(owner: AddressOwner): Promise<void> {
    // Whichever of them gave it, whatever the configuration says by now.
    await this.#own.release(endpointKey(owner));
    this.#subnets?.release(endpointKey(owner));
    await this.#pools.release(owner);
  }

  /** Kinds of eni-config whose pods come back under their name. */
  #furtherKinds(): readonly string[] {
    const { facts, node } = this.#parts;
    const kinds = facts.nodeConfigs.get(node)?.status?.config?.["custom_stateful_workload_kinds"];
    return Array.isArray(kinds) ? kinds.filter((one) => typeof one === "string") : [];
  }

  /** The provider's id of this machine. */
  #machine(): string | undefined {
    const { cloud, facts, node } = this.#parts;
    return cloud?.machinesAreNodes === true ? node : instanceOf(facts.nodes.get(node));
  }

  collect(living: AddressesInUse, graceMs: number): Promise<void> {
    return this.#pools.collect(living, graceMs);
  }

  places(): ReadonlyMap<string, AddressPlace> {
    const { facts, node } = this.#parts;
    const own = isExclusiveNode(facts.nodes.get(node));
    const found = new Map<string, AddressPlace>();
    for (const { addresses, securityGroupIDs: groups } of this.#subnets?.book.interfaces.values() ?? [])
      for (const address of addresses) found.set(address, { groups, own });
    for (const { address, securityGroupIDs: groups } of this.#own.book.wires.values())
      found.set(address, { groups, own: true });
    return found;
  }

  get damage(): string | undefined {
    return this.#pools.damage;
  }

  owners() {
    return [...this.#pools.owners(), ...[...this.#own.book.wires.values()].map(ownerOf)];
  }

  notReady(): string | undefined {
    return this.#pools.notReady();
  }

  async stop(): Promise<void> {
    this.#own.stop();
    await this.#subnets?.stop();
    await this.#reporter?.stop();
    await this.#waits.stop();
    await this.#pools.stop();
  }

  /** Tells those who wait of what may help them. */
  #follower(): Manager {
    return {
      name: "subnets",
      concerns: [],
      kinds: ["pods", "podenis", "subnets", "nodes", "nodeconfigs", "endpoints"],
      apply: async (_facts: ClusterFacts, node: NodeFacts, changes: Changes) => {
        if (this.#concernsPool(node.node, changes)) this.#subnets?.poke(GATHER_MS);
        if (["podenis", "subnets", "nodes"].some((kind) => changes.has(kind))) this.#own.look();
        if (["podenis", "endpoints"].some((kind) => changes.get(kind) === "all")) this.#own.heal(node);
      },
      resync: async () => {},
    };
  }

  /** A cluster's pods come and go all the time, and nodes say what they have: those of other nodes matter where somebody waits. */
  #concernsPool(node: string, changes: Changes): boolean {
    const ofPods = this.#concerned.note(changes);
    if (ofPods || changes.has("subnets")) return true;
    if (concerns(changes, "nodes", node) || concerns(changes, "nodeconfigs", node)) return true;
    // What other nodes have given back is of use to who was told that nothing is left.
    return changes.has("nodeconfigs") && this.#subnets?.isDrained === true;
  }

  /** The pod's object; the runtime may be quicker than the watch. */
  async #objectOf({ pod }: AddressRequest): Promise<Pod | undefined> {
    if (!pod) return undefined;
    const { facts, store, logger } = this.#parts;
    const known = facts.pods.get(podKey(pod));
    if (known && (pod.uid === "" || known.metadata.uid === pod.uid)) return known;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), POD_WAIT_MS);
    try {
      return await Promise.race([store.get(podKind, pod.name, pod.namespace), late.promise]);
    } catch (error) {
      logger.warn({ pod: podKey(pod), error: textOf(error) }, "the pod's object cannot be read");
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Changes of pods come in swarms. */
const GATHER_MS = 20;

function ownsAddress(subnets: SubnetPool, address: string): boolean {
  return [...subnets.book.interfaces.values()].some(({ addresses }) => addresses.includes(address));
}

function ownerOf({ key, pod, uid }: OwnWire): Pick<AddressOwner, "containerId" | "ifName" | "pod"> {
  const [containerId = "", ifName = ""] = key.split("/");
  const [namespace = "", name = ""] = pod.split("/");
  return { containerId, ifName, pod: { namespace, name, uid } };
}
