// A running lab: everything of a cluster in one process, built in order and taken apart in the opposite one.
import { tmpdir } from "node:os";
import path from "node:path";
import { ClusterWatch } from "../agent/cluster-watch.ts";
import { type Node, nodeKind, type Pod, podKind } from "../api/kinds/core.ts";
import { type Host, hostKind } from "../api/kinds/host.ts";
import { kindNamed } from "../api/kinds/index.ts";
import type { KubeObject } from "../api/object.ts";
import { TrunklineError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Kernel, Machine } from "../kernel/kernel.ts";
import { isAtHost } from "../sinks/places.ts";
import { SinkKeeper } from "../sinks/sink-keeper.ts";
import { Informer } from "../store/informer.ts";
import { openSqliteStore } from "../store/sqlite/store.ts";
import type { Store } from "../store/store.ts";
import { startControllerApart, startControllerHere } from "./agents.ts";
import { LabClock } from "./clock.ts";
import { registerCluster } from "./cluster.ts";
import { ControlPlane } from "./control-plane.ts";
import type { LabFile, LabPort } from "./file/lab-file.ts";
import { actOn, type LabProcess, type ProcessAct, type ProcessRow, processRows } from "./life/processes.ts";
import { type LabPaths, nodePaths } from "./life/state.ts";
import type { Supervisor } from "./life/supervisor.ts";
import { Responder } from "./net/responder.ts";
import { birdProcess } from "./nodes/bird-process.ts";
import { NodeChanges } from "./nodes/node-changes.ts";
import { NodeReports } from "./nodes/node-reports.ts";
import { RunningNode } from "./nodes/running-node.ts";
import { admitOnly } from "./outside/admission.ts";
import { followPodRoutes } from "./outside/pod-routes.ts";
import { Prober } from "./probe/prober.ts";
import { RunningRouters } from "./routers/routers.ts";
import { LabProvider } from "./subnets/lab-provider.ts";
import { NODE_PORT, type Party, type Population } from "./targets.ts";
import { type BuiltMember, type BuiltTopology, buildTopology } from "./topology/build.ts";
import { takesPodRoutes } from "./topology/ground.ts";
import { planTopology, type Topology } from "./topology/plan.ts";

export interface LabOptions {
  readonly file: LabFile;
  readonly topology: Topology;
  /** The lab file's path. */
  readonly source: string;
  readonly paths: LabPaths;
  readonly machine: Machine;
  /** What its namespaces are marked with. */
  readonly mark: string | undefined;
  /** Agents are processes of their own. */
  readonly separate: boolean;
  readonly rootless: boolean;
  readonly logger: Logger;
  /** Told before namespaces are made, and after they are gone, because nodes come and go. */
  readonly onChange: (file: LabFile, topology: Topology) => void;
  /** Told what is being done, for people who wait. */
  readonly progress: (text: string) => void;
}

export class Lab {
  readonly store: Store;
  readonly clock: LabClock;
  readonly #options: LabOptions;
  readonly #cluster: ClusterWatch;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #hosts: Informer<Host>;
  readonly #reports: NodeReports;
  readonly #runningNodes = new Map<string, RunningNode>();
  #routers: RunningRouters | undefined;
  #controller: Supervisor | undefined;
  #provider: LabProvider | undefined;
  #file: LabFile;
  /** How to undo what was done, in the order in which it was done. */
  readonly #stops: (() => Promise<void> | void)[] = [];
  #topology: BuiltTopology | undefined;

  private constructor(options: LabOptions) {
    const { paths, logger } = options;
    this.#options = options;
    this.#file = options.file;
    this.store = openSqliteStore(paths.store, { outlives: "processes" });
    this.clock = new LabClock(paths.clock);
    this.#reports = new NodeReports(this.store, logger, () => this.#file);
    this.#cluster = new ClusterWatch(this.store, logger);
    this.#pods = new Informer(this.store, podKind, { logger });
    this.#nodes = new Informer(this.store, nodeKind, { logger });
    this.#hosts = new Informer(this.store, hostKind, { logger });
  }

  /** Builds and starts a lab. The folder of its state exists, and so does its record. */
  static async start(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options);
    try {
      await lab.#start();
    } catch (error) {
      await lab.stop();
      throw error;
    }
    return lab;
  }

  /** Stops everything in this process. Namespaces stay: whoever made the record clears them away. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).toReversed()) await stop();
    await this.store.close();
  }

  get members(): ReadonlyMap<string, BuiltMember> {
    return this.#topology?.members ?? new Map<string, BuiltMember>();
  }

  get population(): Population {
    return {
      pods: this.#pods.cache,
      nodes: this.#nodes.cache,
      hosts: this.#hosts.cache,
      workload: (kind, key) => this.#workload(kind, key),
    };
  }

  /** Returns the namespace that a party lives in. */
  netnsOf({ home }: Party): string | undefined {
    if (!home) return undefined;
    return "member" in home ? this.members.get(home.member)?.plan.netns : this.sandboxOf(home.pod).netns;
  }

  /** Returns what the lab runs of a pod: its namespace and a handle on it; nothing if it does not run. */
  sandboxOf(uid: string): { readonly netns: string | undefined; readonly kernel: Kernel | undefined } {
    for (const { runner } of this.#runningNodes.values()) {
      const netns = runner.netnsOf(uid);
      if (netns !== undefined) return { netns, kernel: runner.kernelOf(uid) };
    }
    return { netns: undefined, kernel: undefined };
  }

  /** What the lab is made of now. */
  get file(): LabFile {
    return this.#file;
  }

  get processes(): ProcessRow[] {
    return processRows(this.#processes());
  }

  /** Kills, stops or starts one of the lab's processes. @throws `lab.no-process`, what keeps it from starting */
  async act(name: string, act: ProcessAct): Promise<void> {
    await actOn(this.#processes(), name, act);
  }

  /** Nodes come, go and get other addresses. */
  readonly nodeChanges = new NodeChanges({
    lab: () => this.#file,
    change: (file) => this.#changeFile(file),
    topology: () => this.#topology,
    store: () => this.store,
    pods: () => this.#pods.cache,
    node: (name) => this.#runningNodes.get(name),
    start: (name, addresses) => this.#startNode(name, addresses),
    forget: (name) => {
      this.#runningNodes.delete(name);
      this.#reports.forget(name);
    },
    paths: () => this.#options.paths,
  });

  /** Sends probes between the lab's parties. */
  readonly prober = new Prober({
    population: () => this.population,
    kernelOf: (party) => this.#kernelOf(party),
    kernelOfMember: (name) => this.members.get(name)?.kernel,
  });

  async #changeFile(file: LabFile): Promise<Topology> {
    this.#file = file;
    const topology = planTopology(file);
    this.#options.onChange(file, topology);
    await this.#routers?.follow(file);
    return topology;
  }

  #processes(): ReadonlyMap<string, LabProcess> {
    const all = new Map<string, LabProcess>();
    if (this.#controller) all.set("controller", this.#controller);
    for (const [name, { agent }] of this.#runningNodes) {
      all.set(`agent/${name}`, agent.supervisor);
      const netns = this.members.get(name)?.plan.netns;
      if (netns !== undefined)
        all.set(`bird/${name}`, birdProcess(netns, nodePaths(this.#options.paths, name).folder));
    }
    for (const [name, supervisor] of this.#routers?.supervisors ?? []) all.set(`router/${name}`, supervisor);
    return all;
  }

  #kernelOf({ home }: Party): Kernel | undefined {
    if (!home) return undefined;
    if ("member" in home) return this.members.get(home.member)?.kernel;
    return [...this.#runningNodes.values()]
      .map(({ runner }) => runner.kernelOf(home.pod))
      .find((kernel) => kernel !== undefined);
  }

  async #workload(kind: string, key: string): Promise<KubeObject | undefined> {
    const known = kindNamed(kind);
    const [namespace, name = ""] = key.split("/");
    return known && this.store.get(known, name, namespace);
  }

  async #start(): Promise<void> {
    const { machine, topology, file, mark, progress } = this.#options;
    const built = await buildTopology(machine, topology, mark);
    this.#topology = built;
    this.#stops.push(() => built.close());
    progress(`built ${topology.members.length} namespaces and ${topology.lans.length} networks`);
    await registerCluster(this.store, file);
    await this.#startProvider(built, topology);
    await this.#follow();
    await this.#startOutside();
    await this.#startRouters();
    await this.#startNodes();
    await this.#startControllers();
  }

  async #startProvider(built: BuiltTopology, topology: Topology): Promise<void> {
    const { machine, paths, logger } = this.#options;
    if (this.#file.subnets.length === 0) return;
    this.#provider = new LabProvider({
      machine,
      topology,
      members: () => built.members,
      file: () => this.#file,
      stateFile: path.join(paths.folder, "cloud.json"),
      now: () => this.clock.now(),
      kill: (name) => {
        this.act(name, "kill").catch((error: unknown) =>
          logger.warn({ name, error: textOf(error) }, "it cannot be killed"),
        );
      },
    });
    await this.#provider.rewire();
  }

  /** The lab's provider of subnets. @throws `lab.cloud-none` */
  get provider(): LabProvider {
    if (!this.#provider) throw new TrunklineError("lab.cloud-none", { name: this.#file.name });
    return this.#provider;
  }

  /** Addresses of what its cloud has attached to machines, each with its MAC: `ADDRESS MAC`. */
  get plugged(): ReadonlySet<string> {
    return this.#provider?.plugged() ?? new Set();
  }

  async #follow(): Promise<void> {
    const informers = [this.#pods, this.#nodes, this.#hosts];
    for (const informer of informers) informer.start();
    this.#stops.push(async () => {
      await Promise.all([...informers.map((informer) => informer.stop()), this.#cluster.stop()]);
    });
    await Promise.all([this.#cluster.start(), ...informers.map((informer) => informer.synced)]);
  }

  async #startOutside(): Promise<void> {
    const { file, topology, logger } = this.#options;
    for (const host of file.hosts) {
      const kernel = this.#member(host.name).kernel;
      if (host.admit) await admitOnly(kernel, host.admit);
      const responder = this.#responder(kernel, host.addresses, host.ports, host.name);
      this.#stops.push(() => responder.stop());
      this.#keepSinks(host.name);
    }
    for (const { name } of file.routers) {
      const member = this.#member(name);
      if (!takesPodRoutes(file, topology, member.plan)) continue;
      const following = followPodRoutes(member, this.#cluster, logger);
      this.#stops.push(() => following.stop());
    }
  }

  /** A lab's lists are written beside its file, into its own folder, and where temporary files are. */
  get #sinkFolders(): readonly string[] {
    const { source, paths } = this.#options;
    return [path.dirname(path.resolve(source)), paths.folder, tmpdir()];
  }

  /** A host is a machine outside of the cluster, where `trunkline sinks` would run. */
  #keepSinks(host: string): void {
    const { logger } = this.#options;
    const { kernel, plan } = this.#member(host);
    const place = { nft: kernel.nft, netns: { name: plan.netns }, folders: this.#sinkFolders };
    const isHere = isAtHost(host);
    const keeper = new SinkKeeper({
      store: this.store,
      logger,
      clock: this.clock,
      at: `host/${host}`,
      isHere,
      place,
    });
    keeper.start();
    this.#stops.push(() => keeper.stop());
  }

  /** Routers run before nodes do, so that nobody waits for a second try of a session. */
  async #startRouters(): Promise<void> {
    const { source, paths, rootless, logger, progress } = this.#options;
    const routers = new RunningRouters({ lab: this.#file, source, paths, rootless, logger });
    this.#routers = routers;
    this.#stops.push(() => routers.stop());
    await routers.start();
    if (routers.size > 0) progress(`${routers.size} routers run a daemon`);
  }

  async #startNodes(): Promise<void> {
    const { nodes } = this.#file;
    this.#stops.push(async () => {
      await Promise.all([...this.#runningNodes.values()].map((node) => node.stop()));
    });
    await Promise.all(nodes.map((node) => this.#startNode(node.name, node.addresses)));
    this.#options.progress(`${nodes.length} agents serve`);
  }

  async #startNode(name: string, addresses: readonly string[]): Promise<void> {
    const { paths, separate, machine, logger } = this.#options;
    const member = this.#member(name);
    const node = await RunningNode.start(member, addresses, {
      file: this.#file,
      mark: this.#options.mark,
      paths,
      machine,
      separate,
      logger,
      store: this.store,
      cluster: this.#cluster,
      pods: this.#pods,
      provider: this.#provider,
      clock: this.clock,
      sinkFolders: this.#sinkFolders,
      onChange: (serves) => this.#reports.changed(name, serves),
      respond: (own) => this.#responder(member.kernel, own, [NODE_PORT], name),
    });
    this.#runningNodes.set(name, node);
    await this.#reports.began(name);
    node.runner.start();
  }

  async #startControllers(): Promise<void> {
    const { logger, separate, paths } = this.#options;
    const { store, clock } = this;
    const [pods, nodes] = [this.#pods, this.#nodes];
    this.#stops.push(
      nodes.on(({ type, object }) => {
        if (type === "added") this.#reports.appeared(object.metadata.name);
      }),
    );
    // Once it has run for the first time; a lab's first pods are not placed before that.
    const isServed = () => this.#controller?.wanted ?? true;
    const hasRunner = (node: string): boolean => this.#runningNodes.has(node);
    const plane = new ControlPlane({ store, pods, nodes, clock, logger, isServed, hasRunner });
    this.#stops.push(() => plane.stop());
    plane.start();
    const cluster = this.#file.name;
    const cloud = this.#provider && { provider: this.#provider.for("controller"), cluster };
    const door = this.#provider && { control: paths.control, cluster };
    const controller = separate
      ? await startControllerApart(
          {
            store: paths.store,
            clockFile: paths.clock,
            logFile: path.join(paths.folder, "controller.log"),
          },
          logger,
          door,
          this.#sinkFolders,
        )
      : await startControllerHere(store, logger, {
          cloud,
          clock: this.clock,
          sinkFolders: this.#sinkFolders,
        });
    this.#controller = controller;
    this.#stops.push(() => controller.stop());
  }

  #responder(
    kernel: Kernel,
    addresses: readonly string[],
    ports: readonly LabPort[],
    name: string,
  ): Responder {
    const onError = (error: unknown, port: LabPort): void =>
      this.#options.logger.error({ member: name, port: port.port, error: textOf(error) }, "cannot listen");
    return new Responder({ kernel, addresses, ports, onError }).start();
  }

  #member(name: string): BuiltMember {
    // Nodes, hosts and routers of the file are what the topology was planned from.
    return this.members.get(name)!;
  }
}
