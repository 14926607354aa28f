// A lab's agents: all in this process, or each as the process that production runs.
import { mkdirSync } from "node:fs";
import { type Agent, startAgent } from "../agent/agent.ts";
import type { ClusterWatch } from "../agent/cluster-watch.ts";
import { waitForAgent } from "../agent/install-cni.ts";
import { standardParts } from "../agent/standard.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { ProviderPlace } from "../cloud/provider.ts";
import { startController } from "../controller/controller.ts";
import type { Clock } from "../ipam/types.ts";
import { startDaemon } from "../kernel/exec/index.ts";
import type { Machine } from "../kernel/kernel.ts";
import type { Store } from "../store/store.ts";
import type { LabClock } from "./clock.ts";
import { trunklineExecutable } from "./life/installation.ts";
import type { nodePaths } from "./life/state.ts";
import { type Running, Supervisor } from "./life/supervisor.ts";

export interface NodeAgent {
  /** Settles when the node can serve pods for the first time. */
  readonly ready: Promise<void>;
  readonly supervisor: Supervisor;
}

export interface AgentPlace {
  readonly node: string;
  readonly netns: string;
  readonly paths: ReturnType<typeof nodePaths>;
  /** How long a freed address rests, in milliseconds. */
  readonly addressCooldown: number | undefined;
  readonly logger: Logger;
}

/** Where a process of its own finds the lab's provider of subnets. */
export interface ProviderDoor {
  /** The lab's control socket. */
  readonly control: string;
  readonly cluster: string;
}

/** What becomes of an agent or the controller after its start. */
export interface Fate {
  /** Told when it ends although it should not, and when it serves again. */
  readonly onChange: (serves: boolean) => void;
}

/** Starts a node's agent in this process. `store` and `cluster` are shared by all of them. */
export async function startHere(
  place: AgentPlace,
  shared: {
    readonly machine: Machine;
    readonly store: Store;
    readonly cluster: ClusterWatch;
    readonly cloud: ProviderPlace | undefined;
    /** Milliseconds since 1970, by the lab's clock. */
    readonly now: () => number;
    /** The same, of rests and retries. */
    readonly clock: Clock;
    readonly sinkFolders: readonly string[];
  },
  { onChange }: Fate,
): Promise<NodeAgent> {
  const { node, netns, paths, addressCooldown, logger } = place;
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  let agent: Agent | undefined;
  const supervisor = new Supervisor({
    start: async () => {
      const started = await startAgent({
        ...standardParts,
        ...shared,
        node,
        netns: { name: netns },
        stateDir: paths.folder,
        socketPath: paths.agentSocket,
        queueDir: paths.cniQueue,
        health: { socketPath: paths.healthSocket },
        logger,
        ...(addressCooldown !== undefined && { addressCooldownMs: addressCooldown }),
      });
      agent = started;
      return partOfThisProcess(() => started.stop());
    },
    onExit: () => onChange(false),
    onRestart: () => void agent?.ready.then(() => onChange(true)),
    onFailure: (error) => logger.error({ node, error: textOf(error) }, "the agent cannot be started again"),
  });
  await supervisor.start();
  return { ready: agent!.ready, supervisor };
}

/** A part of the lab's own process cannot be killed: it ends in order instead. */
function partOfThisProcess(end: () => Promise<void>): Running {
  const ended = Promise.withResolvers<void>();
  const stop = async (): Promise<void> => {
    try {
      await end();
    } finally {
      ended.resolve();
    }
  };
  return { pid: null, exited: ended.promise, signal: () => void stop(), stop };
}

const READY_TIMEOUT_MS = 30_000;

/** Starts a node's agent as a process of its own. */
export async function startApart(
  {
    node,
    netns,
    paths,
    addressCooldown,
    logger,
    door,
    clockFile,
    sinkFolders,
  }: AgentPlace & {
    readonly door: ProviderDoor | undefined;
    readonly clockFile: string;
    readonly sinkFolders: readonly string[];
  },
  store: string,
  { onChange }: Fate,
): Promise<NodeAgent> {
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const args = ["agent", "--node", node, "--netns", netns, "--store", `sqlite:${store}`];
  args.push("--state", paths.folder, "--socket", paths.agentSocket, "--queue", paths.cniQueue);
  args.push("--health-socket", paths.healthSocket, "--lab-clock", clockFile, "--sink-folder", ...sinkFolders);
  if (addressCooldown !== undefined) args.push("--address-cooldown", `${addressCooldown}ms`);
  if (door) args.push("--provider", `lab:${door.control}`, "--cluster", door.cluster);
  const supervisor = new Supervisor({
    start: () => startDaemon(trunklineExecutable(), args, { logFile: paths.log }),
    onExit: (pid) => {
      logger.warn({ node, pid }, "the agent's process has ended");
      onChange(false);
    },
    onRestart: () => {
      waitForAgent(paths.agentSocket, READY_TIMEOUT_MS).then(
        () => onChange(true),
        (error: unknown) => logger.error({ node, error: textOf(error) }, "the agent does not come back"),
      );
    },
    onFailure: (error) => logger.error({ node, error: textOf(error) }, "the agent cannot be started again"),
  });
  await supervisor.start();
  return { ready: waitForAgent(paths.agentSocket, READY_TIMEOUT_MS), supervisor };
}

/** Starts the controller in this process. */
export async function startControllerHere(
  store: Store,
  logger: Logger,
  {
    cloud,
    clock,
    sinkFolders,
  }: {
    readonly cloud: ProviderPlace | undefined;
    readonly clock: LabClock;
    readonly sinkFolders: readonly string[];
  },
): Promise<Supervisor> {
  const supervisor = new Supervisor({
    start: async () => {
      const controller = await startController({ store, logger, cloud, clock, sinkFolders });
      return partOfThisProcess(async () => controller.stop());
    },
    onFailure: (error) => logger.error({ error: textOf(error) }, "the controller cannot be started again"),
  });
  await supervisor.start();
  return supervisor;
}

/** Starts the controller as a process of its own. */
export async function startControllerApart(
  {
    store,
    clockFile,
    logFile,
  }: { readonly store: string; readonly clockFile: string; readonly logFile: string },
  logger: Logger,
  door: ProviderDoor | undefined,
  sinkFolders: readonly string[],
): Promise<Supervisor> {
  const args = ["controller", "--store", `sqlite:${store}`, "--lab-clock", clockFile];
  args.push("--sink-folder", ...sinkFolders);
  if (door) args.push("--provider", `lab:${door.control}`, "--cluster", door.cluster);
  const supervisor = new Supervisor({
    start: () => startDaemon(trunklineExecutable(), args, { logFile }),
    onExit: (pid) => logger.warn({ pid }, "the controller's process has ended"),
    onFailure: (error) => logger.error({ error: textOf(error) }, "the controller cannot be started again"),
  });
  await supervisor.start();
  return supervisor;
}
