// The node's daemon. It runs as a process of its own in production, and as a library in the lab, where the agents of
// all nodes share one process: nothing here is global. Long because the parts of an agent know nothing of each other: all
// that holds between them, and the order in which they start and stop, is here.
import path from "node:path";
import { textOf } from "../base/errors.ts";
import { podOf } from "../cni/args.ts";
import { systemClock } from "../ipam/clock.ts";
import type { UsedAddress } from "../ipam/context.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { LocalEndpoint, NodeFacts } from "../plan/facts.ts";
import { isAtNode } from "../sinks/places.ts";
import { SinkKeeper } from "../sinks/sink-keeper.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import { RateLimiter } from "./bandwidth/rate-limiter.ts";
import { CleanUp } from "./clean-up.ts";
import { ClusterCopy } from "./cluster-copy.ts";
import { ClusterWatch } from "./cluster-watch.ts";
import { ListGate } from "./lists/list-gate.ts";
import { watchKernel } from "./managers/kernel-watcher.ts";
import type { Manager, NewsGroup } from "./managers/manager.ts";
import { NodeSettings } from "./managers/node-settings.ts";
import { Reconciler } from "./managers/reconciler.ts";
import { NodeSetup } from "./node-setup.ts";
import { NodeView } from "./node-view.ts";
import type { AgentOptions, AgentParts } from "./options.ts";
import type { AddressSource } from "./pods/addresses.ts";
import { EndpointJournal } from "./pods/endpoint-journal.ts";
import { Endpoints } from "./pods/endpoints.ts";
import { findWires } from "./pods/found-wires.ts";
import { usesOf } from "./pods/used-addresses.ts";
import { PodProbes } from "./probe/pod-probes.ts";
import { CniHandler } from "./served/cni-handler.ts";
import { assertUnserved, serveCni } from "./served/cni-server.ts";
import { DelQueue } from "./served/del-queue.ts";
import { serveHealth } from "./served/health-server.ts";
import { AgentMetrics } from "./served/metrics.ts";

export interface Agent {
  readonly node: string;
  readonly endpoints: Endpoints;
  /** Settles when the node can serve pods for the first time. */
  readonly ready: Promise<void>;
  /** Why the node cannot serve pods now; empty when it can. */
  notReady(): readonly string[];
  readonly healthPort: number | undefined;
  /** Stops serving. Pods keep their network: nothing is taken out of the kernel. */
  stop(): Promise<void>;
}

const SETTINGS_MS = 1000;
/** The same for those of whose changes the kernel tells. */
const ALL_SETTINGS_MS = 10_000;
const ALL_KINDS = [
  "nodes",
  "namespaces",
  "ippools",
  "addressblocks",
  "sourcenats",
  "hosts",
  "subnets",
  "securitygroups",
  "nodeconfigs",
  "podnetworkings",
  "pods",
  "podenis",
  "networkpolicies",
  "configmaps",
  "bgpconfigurations",
  "bgppeers",
  "bgpfilters",
  "routingconfigurations",
  "secrets",
  "servicecidrs",
];

/** Starts an agent; settles when it serves its sockets, which is before the node is ready. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const running = new RunningAgent(options);
  try {
    await running.start();
  } catch (error) {
    await running.stop();
    throw error;
  }
  return running;
}

class RunningAgent implements Agent {
  readonly node: string;
  readonly ready: Promise<void>;
  endpoints!: Endpoints;
  healthPort: number | undefined;
  readonly #options: AgentOptions;
  readonly #cluster: ClusterWatch;
  readonly #kernel: Kernel;
  readonly #events: EventRecorder;
  readonly #becameReady = Promise.withResolvers<void>();
  /** How to undo `start`, in the order in which it happened. */
  readonly #stops: (() => void | Promise<void>)[] = [];
  #addresses!: AddressSource;
  #managers: readonly Manager[] = [];
  #reconciler!: Reconciler;
  #view!: NodeView;
  #metrics!: AgentMetrics;
  #queue!: DelQueue;
  #journal!: EndpointJournal;
  #settings!: NodeSettings;
  /** This machine is the node that the objects speak of. */
  #meant = false;
  /** There is, or was, a pod with an IPv6 address. */
  #ipv6Pods = false;
  readonly #gate: ListGate;
  #stopped = false;

  constructor(options: AgentOptions) {
    this.node = options.node;
    this.ready = this.#becameReady.promise;
    this.#options = options;
    const { node, store, stateDir, logger } = options;
    const copy = new ClusterCopy(stateDir, node, logger);
    this.#cluster = options.cluster ?? new ClusterWatch(store, logger, copy);
    this.#kernel = options.machine.open(options.netns);
    this.#events = new EventRecorder(store, { component: "trunkline-agent", host: node }, logger);
    this.#gate = new ListGate({
      node: options.node,
      store,
      logger,
      facts: this.#cluster.facts,
      events: this.#events,
      now: options.now ?? Date.now,
    });
    this.#stops.push(() => this.#kernel.close());
  }

  async start(): Promise<void> {
    const { node, store, stateDir, logger, netns, addressCooldownMs } = this.#options;
    await assertUnserved(this.#options.socketPath);
    const { facts } = this.#cluster;
    const journal = new EndpointJournal(stateDir, logger);
    this.#journal = journal;
    this.#stops.push(() => journal.close());
    const parts: AgentParts = {
      node,
      kernel: this.#kernel,
      netns,
      store,
      facts,
      stateDir,
      logger,
      addressCooldownMs,
      inUse: () => this.#inUse(),
      cloud: this.#options.cloud,
      now: this.#options.now,
      clock: this.#options.clock,
    };
    const addresses = await this.#options.addresses(parts);
    this.#addresses = addresses;
    this.#stops.push(() => addresses.stop?.());
    const limiter = new RateLimiter({
      machine: this.#options.machine,
      kernel: this.#kernel,
      logger,
      pods: facts.pods,
      endpoints: () => this.endpoints.known,
      events: this.#events,
    });
    this.#managers = [...(addresses.managers ?? []), ...this.#options.managers(parts, addresses), limiter];
    for (const manager of this.#managers) this.#stops.push(() => manager.stop?.());
    this.#makeEndpoints(journal, limiter);
    this.#keepLists();
    await this.endpoints.recover();
    // Wires of an earlier version lack what this one's rules count on.
    this.#repair();
    this.#queue = new DelQueue(this.#options.queueDir ?? path.join(stateDir, "cni-queue"), logger);
    await this.#queue.drain((attached) => this.endpoints.remove(attached));
    await this.#serve();
    this.#follow();
    logger.info({ endpoints: this.endpoints.known.size }, "agent serves");
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const stop of this.#stops.toReversed()) await this.#end(stop);
    this.#options.logger.info({}, "agent stopped");
  }

  /** What cannot end well must not keep what is behind it (journals, the kernel's handle) from ending. */
  async #end(stop: () => void | Promise<void>): Promise<void> {
    try {
      await stop();
    } catch (error) {
      this.#options.logger.error({ error: textOf(error) }, "a part of the agent did not end well");
    }
  }

  notReady(): readonly string[] {
    const reasons = this.#notStarted();
    if (this.#journal.fault !== undefined) reasons.push(this.#journal.fault);
    for (const { manager, error } of this.#reconciler.failures()) reasons.push(`${manager}: ${error}`);
    const noAddresses = this.#addresses.notReady();
    if (noAddresses !== undefined) reasons.push(noAddresses);
    for (const manager of this.#managers) reasons.push(...(manager.notReady?.() ?? []));
    return reasons;
  }

  /** What must have happened once; a manager that fails later holds back only the pods that need it. */
  #notStarted(): string[] {
    if (!this.#cluster.synced) return ["the cluster's objects have not been read yet"];
    try {
      this.#view.get();
    } catch (error) {
      return [textOf(error)];
    }
    if (!this.#meant) {
      this.#meant = true;
      this.#mendSettings();
    }
    if (this.#settings.fault !== undefined) return [this.#settings.fault];
    return this.#reconciler.startedOnce ? [] : ["the node's rules and routes are not in force yet"];
  }

  /** What destinations admit: sinks on this machine, and pods that wait for sinks anywhere. */
  #keepLists(): void {
    const { store, node, netns, logger, sinkFolders: folders = [], clock = systemClock } = this.#options;
    const { facts } = this.#cluster;
    const place = { nft: this.#kernel.nft, netns, folders };
    const isHere = isAtNode(() => facts.nodes.get(node));
    const { lists } = this.#gate;
    const keeper = new SinkKeeper({ store, logger, clock, at: `node/${node}`, isHere, place, lists });
    const forget = this.#cluster.on((kind, key) => {
      if (kind === "nodes" && key === node) keeper.look();
    });
    keeper.start();
    this.#gate.start();
    this.#stops.push(
      forget,
      () => keeper.stop(),
      () => this.#gate.stop(),
    );
  }

  #makeEndpoints(journal: EndpointJournal, limiter: RateLimiter): void {
    const { machine, logger } = this.#options;
    const { facts } = this.#cluster;
    this.endpoints = new Endpoints({
      machine,
      kernel: this.#kernel,
      journal,
      addresses: this.#addresses,
      logger,
      inForce: () => this.#reconciler.inForce(),
      limit: (endpoint) => limiter.begin(endpoint),
      admitted: (pod, ips) => this.#gate.passed(pod, ips),
      changed: (key) => {
        this.#reconciler.note("endpoints", key);
        // Before the first such pod sends anything.
        if (!this.#ipv6Pods && hasIpv6Address(this.endpoints.local.get(key))) {
          this.#ipv6Pods = true;
          this.#mendSettings();
        }
      },
    });
    this.#view = new NodeView(this.#kernel, facts, this.node, this.endpoints.local);
    this.#settings = new NodeSettings(this.#kernel, logger, () => this.#metrics.settingMended());
    this.#metrics = new AgentMetrics(this.node, this.#options.processMetrics === true, {
      ready: () => this.notReady().length === 0,
      endpoints: () => countBy([...this.endpoints.known.values()].map((one) => one.phase)),
      problems: () =>
        countBy([
          ...this.#managers.flatMap((one) => (one.problems?.() ?? []).map((each) => each.code)),
          ...(this.#settings.fault === undefined ? [] : ["settings.refused"]),
        ]),
    });
    for (const manager of this.#managers) manager.meter?.(this.#metrics.registry);
    this.#reconciler = new Reconciler({
      managers: this.#managers,
      facts,
      node: (): NodeFacts => this.#view.get(),
      logger,
      onApplied: (manager, seconds, error) => this.#metrics.applied(manager, seconds, error),
      onIdle: () => this.#lookReady(),
    });
    this.#stops.push(() => this.endpoints.settled());
    this.#stops.push(() => this.#reconciler.stop());
  }

  async #serve(): Promise<void> {
    const { machine, netns, socketPath, logger } = this.#options;
    const events = this.#events;
    const handler = new CniHandler({
      machine,
      nodeNetnsId: machine.identityOf(netns),
      endpoints: this.endpoints,
      queue: this.#queue,
      logger,
      notStarted: () => this.#notStarted()[0],
      notReady: () => this.notReady()[0],
      mtu: () => this.#view.mtu(),
      onDone: (...answer) => this.#metrics.requestDone(...answer),
      onAddFailed: (request, failed) => {
        const pod = podOf(request.args);
        if (pod === undefined) return;
        const object = { apiVersion: "v1", kind: "Pod", ...pod };
        const message = failed.details === undefined ? failed.msg : `${failed.msg}: ${failed.details}`;
        events.record({ object, reason: "FailedPodNetwork", message, type: "Warning" });
      },
    });
    for (const message of [this.#journal.damage, this.#addresses.damage])
      if (message !== undefined)
        events.record({ object: nodeObject(this.node), reason: "JournalDamaged", message, type: "Warning" });
    const server = await serveCni(socketPath, (request) => handler.handle(request), logger);
    this.#stops.push(() => server.close());
    if (this.#options.health === undefined) return;
    const probes = new PodProbes({ machine, endpoints: () => this.endpoints.known.values() });
    this.#stops.push(() => probes.stop());
    const health = await serveHealth(this.#options.health, {
      notReady: () => this.notReady(),
      registry: this.#metrics.registry,
      answers: Object.assign({}, ...this.#managers.map((manager) => manager.answers ?? {})),
      privateAnswers: probes.answers,
    });
    this.#stops.push(() => health.close());
    this.healthPort = health.port;
  }

  /** From here on the node follows the cluster and heals its kernel. */
  #follow(): void {
    const { machine, logger, resyncSeconds = 60, graceSeconds = 60, cluster } = this.#options;
    const forget = this.#cluster.on((kind, key, _change, isIdle) => {
      if (kind === "nodes" && key === this.node) this.#view.invalidate();
      // Until all is read managers are called with nothing, and then told of everything: no key of a large cluster is kept
      // for each of them. And thousands of nodes write what concerns no other's plan.
      if (this.#cluster.synced && !isIdle) this.#reconciler.note(kind, key);
    });
    const watch = this.#watchKernel();
    // What went before the kernel's events were followed nobody has told.
    this.endpoints.heard({ kind: "lost" });
    // Pods of an agent before this one: the node is meant, whether the cluster can be asked or not.
    if (this.endpoints.local.size > 0) this.#meant = true;
    this.#ipv6Pods = [...this.endpoints.local.values()].some(hasIpv6Address);
    this.#mendSettings();
    const cleanUp = new CleanUp({
      endpoints: this.endpoints,
      queue: this.#queue,
      addresses: this.#addresses,
      machine,
      facts: this.#cluster.facts,
      logger,
      graceSeconds,
      synced: () => this.#cluster.synced,
      inUse: () => this.#inUse(),
    });
    const timers = [
      setInterval(() => this.#onTimer(), resyncSeconds * 1000),
      // Often enough that a grace lasts as long as it says, and little more.
      setInterval(() => cleanUp.begin(), Math.max(50, Math.min(resyncSeconds, graceSeconds / 4) * 1000)),
      // Not every setting has an event.
      setInterval(() => this.#mendSettings("untold"), SETTINGS_MS),
      setInterval(() => this.#mendSettings(), ALL_SETTINGS_MS),
    ];
    for (const timer of timers) timer.unref();
    this.#stops.push(() => {
      forget();
      watch.stop();
      for (const timer of timers) clearInterval(timer);
      return cleanUp.settled();
    });
    if (cluster === undefined) this.#stops.push(() => this.#cluster.stop());
    this.#setUpNode();
    void this.#addresses.ready?.then(() => this.#lookReady());
    // From the copy pods that are here get their rules and routes back; new ones have to wait.
    void this.#cluster
      .start(() =>
        this.#begin("the store does not answer: the node goes by its copy of the cluster's objects"),
      )
      .then(() => this.#begin("the cluster's objects are read"));
  }

  #watchKernel(): { stop(): void } {
    const links = {
      isLiveWire: (index: number) => this.endpoints.isLiveWire(index),
      mayBeUplink: (index: number) => this.#view.mayBeUplink(index),
    };
    return watchKernel(this.#kernel, links, {
      onEvent: (event) => {
        this.#view.heard(event);
        this.endpoints.heard(event);
      },
      onNews: ({ groups }) => this.#reconciler.noteResync((manager) => concerns(manager, groups)),
      onUrgent: ({ wires, settings }) => {
        if (settings) this.#mendSettings();
        this.#repair(wires);
      },
    });
  }

  /** Managers are told of everything that is known of the cluster. */
  #begin(how: string): void {
    if (this.#stopped) return;
    this.#options.logger.info({ pods: this.#cluster.facts.pods.size }, how);
    this.#view.invalidate();
    for (const kind of [...ALL_KINDS, "endpoints"]) this.#reconciler.noteAll(kind);
    this.#reconciler.start();
  }

  #setUpNode(): void {
    const { setUpNode, node, store, logger } = this.#options;
    if (setUpNode === undefined) return;
    const setup = new NodeSetup({ node, store, logger, ...setUpNode });
    const itself = () => this.#cluster.facts.nodes.get(node);
    const forget = this.#cluster.on((kind, key) => {
      if (kind === "nodes" && key === node) setup.look(itself());
    });
    void this.ready.then(() => setup.ready(itself()));
    this.#stops.push(forget, () => setup.stop());
  }

  #lookReady(): void {
    if (this.notReady().length === 0) this.#becameReady.resolve();
  }

  #inUse(): UsedAddress[] {
    return usesOf([...this.#journal.live.values()], findWires(this.#kernel));
  }

  /** Once it is certain that this machine is the node that is meant; until then nothing of it is changed. */
  #mendSettings(which: "all" | "untold" = "all"): void {
    if (!this.#meant) return;
    let uplink: string | undefined;
    try {
      uplink = this.#view.get().uplink;
    } catch {
      // Not known at present; readiness says why.
    }
    this.#settings.mend(which, uplink, this.#ipv6Pods);
  }

  #onTimer(): void {
    this.#reconciler.noteResync();
    this.#repair();
    this.endpoints.sweep();
  }

  #repair(wires: ReadonlySet<number> | "all" = "all"): void {
    try {
      this.#metrics.repaired(this.endpoints.repair(wires));
    } catch (error) {
      // An interface went away between looking and writing: its event, or the timer, brings us here again.
      this.#options.logger.warn({ error: textOf(error) }, "pods' interfaces could not be put right");
    }
  }
}

function concerns(manager: Manager, groups: ReadonlySet<NewsGroup>): boolean {
  if (manager.concerns !== undefined) return manager.concerns.some((group) => groups.has(group));
  return [...groups].some((group) => group !== "others-rules");
}

function hasIpv6Address(endpoint: LocalEndpoint | undefined): boolean {
  return endpoint?.ips.some((ip) => ip.includes(":")) === true;
}

function nodeObject(name: string) {
  return { apiVersion: "v1", kind: "Node", name };
}

function countBy(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
