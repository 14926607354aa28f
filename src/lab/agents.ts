// A lab's agents: all in this process, or each as the process that production runs.
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgent } from "../agent/agent.ts";
import type { ClusterWatch } from "../agent/cluster-watch.ts";
import { waitForAgent } from "../agent/install-cni.ts";
import { standardParts } from "../agent/standard.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type Daemon, startDaemon } from "../kernel/exec/index.ts";
import type { Machine } from "../kernel/kernel.ts";
import type { Store } from "../store/store.ts";
import { trunklineExecutable } from "./installation.ts";
import type { nodePaths } from "./state.ts";

export interface NodeAgent {
  /** Settles when the node can serve pods for the first time. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

export interface AgentPlace {
  readonly node: string;
  readonly netns: string;
  readonly paths: ReturnType<typeof nodePaths>;
  /** How long a freed address rests, in milliseconds. */
  readonly addressCooldown: number | undefined;
  readonly logger: Logger;
}

/** Starts a node's agent in this process. `store` and `cluster` are shared by all of them. */
export async function startHere(
  { node, netns, paths, addressCooldown, logger }: AgentPlace,
  shared: { readonly machine: Machine; readonly store: Store; readonly cluster: ClusterWatch },
): Promise<NodeAgent> {
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const agent = await startAgent({
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
  return { ready: agent.ready, stop: () => agent.stop() };
}

/** How long a killed agent stays away, as a kubelet's restart takes, in milliseconds. */
const RESTART_MS = 1000;
const READY_TIMEOUT_MS = 30_000;

/**
 * Starts a node's agent as a process of its own, and starts it again whenever it ends. `onChange` is told when it ends,
 * and when it serves again.
 */
export async function startApart(
  { node, netns, paths, addressCooldown, logger }: AgentPlace,
  store: string,
  onChange: (serves: boolean) => void,
): Promise<NodeAgent> {
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const args = ["agent", "--node", node, "--netns", netns, "--store", `sqlite:${store}`];
  args.push("--state", paths.folder, "--socket", paths.agentSocket, "--queue", paths.cniQueue);
  args.push("--health-socket", paths.healthSocket);
  if (addressCooldown !== undefined) args.push("--address-cooldown", `${addressCooldown}ms`);
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
  });
  await supervisor.start();
  return {
    ready: waitForAgent(paths.agentSocket, READY_TIMEOUT_MS),
    stop: () => supervisor.stop(),
  };
}

/** Starts the controller as a process of its own. */
export async function startControllerApart(
  store: string,
  logFile: string,
  logger: Logger,
): Promise<Supervisor> {
  const args = ["controller", "--store", `sqlite:${store}`];
  const supervisor = new Supervisor({
    start: () => startDaemon(trunklineExecutable(), args, { logFile }),
    onExit: (pid) => logger.warn({ pid }, "the controller's process has ended"),
  });
  await supervisor.start();
  return supervisor;
}

interface SupervisorOptions {
  readonly start: () => Promise<Daemon>;
  readonly onExit: (pid: number) => void;
  readonly onRestart?: () => void;
}

/** Keeps one process running. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #daemon: Daemon | undefined;
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#daemon = await this.#options.start();
    this.#loop = this.#supervise(this.#daemon);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#daemon?.stop();
    await this.#loop;
  }

  async #supervise(first: Daemon): Promise<void> {
    for (let daemon = first; ; ) {
      await daemon.exited;
      if (this.#stopping) return;
      this.#options.onExit(daemon.pid);
      await sleep(RESTART_MS);
      if (this.#stopping) return;
      daemon = await this.#options.start();
      this.#daemon = daemon;
      // Stopped while it was being started.
      if (this.#stopping) await daemon.stop();
      else this.#options.onRestart?.();
    }
  }
}
