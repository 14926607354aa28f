// A node of a running lab: its agent, its kubelet's stand-in, and who answers for it.

import type { ClusterWatch } from "../../agent/cluster-watch.ts";
import { installCni } from "../../agent/install-cni.ts";
import { shimPath } from "../../agent/shim-path.ts";
import type { Pod } from "../../api/kinds/core.ts";
import type { Logger } from "../../base/log.ts";
import type { Machine } from "../../kernel/kernel.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import type { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { type NodeAgent, startApart, startHere } from "../agents.ts";
import type { LabClock } from "../clock.ts";
import { standIns } from "../events.ts";
import type { LabFile } from "../file/lab-file.ts";
import { type LabPaths, nodePaths } from "../life/state.ts";
import type { Responder } from "../net/responder.ts";
import { CniRuntime } from "../pods/cni-runtime.ts";
import { PodRunner } from "../pods/pod-runner.ts";
import type { LabProvider } from "../subnets/lab-provider.ts";
import type { BuiltMember } from "../topology/build.ts";

/** Where plugins of others are installed: by Debian's packages, and by most others. */
const PLUGIN_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];
const INSTALL_TIMEOUT_MS = 30_000;

export interface NodeParts {
  readonly file: LabFile;
  /** What the lab's namespaces are marked with. */
  readonly mark: string | undefined;
  readonly paths: LabPaths;
  readonly machine: Machine;
  readonly separate: boolean;
  readonly logger: Logger;
  readonly store: Store;
  readonly cluster: ClusterWatch;
  readonly pods: Informer<Pod>;
  readonly clock: LabClock;
  readonly sinkFolders: readonly string[];
  /** Whom its agent asks for interfaces; undefined in a lab without subnets. */
  readonly provider: LabProvider | undefined;
  /** Told when its agent ends although it should not, and when it serves again. */
  readonly onChange: (serves: boolean) => void;
  /** Answers for the node itself on these addresses. */
  readonly respond: (addresses: readonly string[]) => Responder;
}

export class RunningNode {
  readonly agent: NodeAgent;
  readonly runner: PodRunner;
  readonly #respond: NodeParts["respond"];
  #responder: Responder;

  private constructor(agent: NodeAgent, runner: PodRunner, respond: NodeParts["respond"], first: Responder) {
    this.agent = agent;
    this.runner = runner;
    this.#respond = respond;
    this.#responder = first;
  }

  /** Starts everything but the running of pods (see `runner.start`), and waits until the agent serves. */
  static async start(
    { plan }: BuiltMember,
    addresses: readonly string[],
    parts: NodeParts,
  ): Promise<RunningNode> {
    const { name, netns } = plan;
    const agent = await startAgent(name, netns, parts);
    try {
      await agent.ready;
      await installPlugin(nodePaths(parts.paths, name), parts.file);
    } catch (error) {
      await agent.supervisor.stop();
      throw error;
    }
    const runner = runnerFor({ name, netns, addresses }, parts);
    return new RunningNode(agent, runner, parts.respond, parts.respond(addresses));
  }

  /** The node has other addresses now. */
  async renumber(addresses: readonly string[]): Promise<void> {
    await this.#responder.stop();
    this.#responder = this.#respond(addresses);
    await this.runner.renumber(addresses);
  }

  /** Stops all; pods keep running. */
  async stop(): Promise<void> {
    await this.#responder.stop();
    await this.runner.stop();
    await this.agent.supervisor.stop();
  }
}

/** Settles when its process, or its part of ours, runs; whether it serves is in `ready`. */
async function startAgent(name: string, netns: string, parts: NodeParts): Promise<NodeAgent> {
  const { file, paths, machine, store, cluster, logger, provider, clock, sinkFolders, onChange } = parts;
  const own = nodePaths(paths, name);
  const place = { node: name, netns, paths: own, addressCooldown: file.addressCooldown, logger };
  if (parts.separate) {
    const door = provider && { control: paths.control, cluster: file.name };
    return startApart({ ...place, door, clockFile: paths.clock, sinkFolders }, paths.store, { onChange });
  }
  const cloud = provider && { provider: provider.for(`agent/${name}`), cluster: file.name };
  const now = () => clock.now();
  return startHere(
    place,
    { machine, store, cluster, cloud, now, clock: clock.ofRetries, sinkFolders },
    { onChange },
  );
}

async function installPlugin(own: ReturnType<typeof nodePaths>, file: LabFile): Promise<void> {
  await installCni({
    source: shimPath(),
    binDir: own.cniBin,
    confDir: own.cniConf,
    pluginPath: PLUGIN_FOLDERS,
    agentSocket: own.agentSocket,
    queueDir: own.cniQueue,
    network: "trunkline",
    // Earlier lab files name bandwidth, too; the agent limits it itself.
    chain: file.chainedPlugins.filter((plugin) => plugin !== "bandwidth"),
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
}

/** Returns its kubelet's stand-in, which runs nothing yet. */
function runnerFor(
  node: { readonly name: string; readonly netns: string; readonly addresses: readonly string[] },
  { file, mark, paths, machine, store, pods, logger, clock }: NodeParts,
): PodRunner {
  const own = nodePaths(paths, node.name);
  return new PodRunner({
    lab: file.name,
    mark,
    node,
    machine,
    store,
    pods,
    cni: new CniRuntime({
      confDir: own.cniConf,
      path: [own.cniBin, ...PLUGIN_FOLDERS],
      netns: { name: node.netns },
    }),
    events: new EventRecorder(store, { component: standIns.kubelet, host: node.name }, logger),
    logger,
    sleep: clock.ofRetries.sleep,
    clock,
  });
}
