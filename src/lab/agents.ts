// A lab's agents: all in this process, or each as the process that production runs.
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgent } from "../agent/agent.ts";
import type { ClusterWatch } from "../agent/cluster-watch.ts";
import { waitForAgent } from "../agent/install-cni.ts";
import { standardParts } from "../agent/standard.ts";
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
  readonly logger: Logger;
}

/** Starts a node's agent in this process. `store` and `cluster` are shared by all of them. */
export async function startHere(
  { node, netns, paths, logger }: AgentPlace,
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
  });
  return { ready: agent.ready, stop: () => agent.stop() };
}

/** How long a killed agent stays away, as a kubelet's restart takes, in milliseconds. */
const RESTART_MS = 1000;
const READY_TIMEOUT_MS = 30_000;

/** Starts a node's agent as a process of its own, and starts it again whenever it ends. */
export async function startApart(
  { node, netns, paths, logger }: AgentPlace,
  store: string,
): Promise<NodeAgent> {
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const args = ["agent", "--node", node, "--netns", netns, "--store", `sqlite:${store}`];
  args.push("--state", paths.folder, "--socket", paths.agentSocket, "--queue", paths.cniQueue);
  args.push("--health-socket", paths.healthSocket);
  const start = (): Promise<Daemon> => startDaemon(trunklineExecutable(), args, { logFile: paths.log });
  const supervisor = new Supervisor(start, (pid) =>
    logger.warn({ node, pid }, "the agent's process has ended"),
  );
  await supervisor.start();
  return {
    ready: waitForAgent(paths.agentSocket, READY_TIMEOUT_MS),
    stop: () => supervisor.stop(),
  };
}

/** Keeps one process running. */
export class Supervisor {
  readonly #start: () => Promise<Daemon>;
  readonly #onExit: (pid: number) => void;
  #daemon: Daemon | undefined;
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(start: () => Promise<Daemon>, onExit: (pid: number) => void) {
    this.#start = start;
    this.#onExit = onExit;
  }

  async start(): Promise<void> {
    this.#daemon = await this.#start();
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
      this.#onExit(daemon.pid);
      await sleep(RESTART_MS);
      if (this.#stopping) return;
      daemon = await this.#start();
      this.#daemon = daemon;
      // Stopped while it was being started.
      if (this.#stopping) await daemon.stop();
    }
  }
}
