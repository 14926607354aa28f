// trunkline agent: the node's daemon.
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { startAgent } from "../../../agent/agent.ts";
import { shimPath } from "../../../agent/shim-path.ts";
import { standardParts } from "../../../agent/standard.ts";
import { textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { defaultAgentSocket, defaultQueueDir } from "../../../cni/config.ts";
import { linuxMachine } from "../../../kernel/index.ts";
import type { FollowedClock } from "../../../lab/followed-clock.ts";
import { isKubernetes, openStore, type StoreOptions, storeOptions } from "../../context.ts";
import { askedToEnd, assertMeant, endOnBug, keepPrivate } from "../../daemon.ts";
import { jsonLogger, logLevels } from "../../json-logger.ts";
import { addressCooldownOption, labClockOption, portNumber, sinkFolderOption } from "../../options.ts";
import { type ProviderOptions, providerOf, providerOptions } from "../../provider.ts";
import { processAtRest, tidyAtRest } from "../../rest.ts";

interface Options extends StoreOptions, ProviderOptions {
  readonly node: string;
  readonly state: string;
  readonly socket: string;
  readonly queue?: string;
  readonly netns?: string;
  readonly healthSocket?: string;
  readonly healthPort?: number;
  readonly healthAddress?: string;
  readonly addressCooldown?: number;
  readonly startupTaint: string;
  readonly sinkFolder?: readonly string[];
  readonly labClock?: FollowedClock;
  readonly cniConfDir?: string;
  readonly cniBinDir: string;
  readonly cniPluginPath: string;
  readonly logLevel: (typeof logLevels)[number];
}

const RETRY_MS = 10_000;
const defaultState = "/var/lib/trunkline";

export function command(): Command {
  const agent = new Command("agent")
    .description("run the node's daemon: answers the CNI plugin, keeps routes and rules")
    .option("--node <name>", "name of the node's object", hostname())
    .option("--state <folder>", "folder of its journals", defaultState)
    .option("--socket <path>", "unix socket for the CNI plugin", defaultAgentSocket)
    .option("--queue <folder>", `where the plugin leaves what it could not say; default: ${defaultQueueDir}`)
    .option("--netns <name>", "network namespace of the node; default: the one that it is started in")
    .option("--health-socket <path>", "unix socket for /livez, /readyz and /metrics")
    .option("--health-port <port>", "TCP port for the same; 0: any free one", portNumber)
    .option("--health-address <address>", "address of that port; default: 127.0.0.1")
    .addOption(addressCooldownOption())
    .option(
      "--startup-taint <key>",
      "taint that is taken off the node once it serves; '' for none. In a Kubernetes cluster only",
      "trunkline.dev/agent-not-ready",
    )
    .addOption(sinkFolderOption())
    .addOption(labClockOption())
    .option(
      "--cni-conf-dir <folder>",
      "write the container runtime's configuration there once the node serves; default: install-cni does",
    )
    .option("--cni-bin-dir <folder>", "with it: where the runtime looks for plugins", "/opt/cni/bin")
    .option("--cni-plugin-path <folders>", "with it: further folders with plugins", "/usr/lib/cni")
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => run(options));
  return storeOptions(providerOptions(agent));
}

async function run(options: Options): Promise<void> {
  assertMeant("agent", options, options.netns);
  keepPrivate();
  const logger = jsonLogger(options.logLevel, { component: "agent", node: options.node });
  endOnBug(logger);
  const stopping = askedToEnd(logger);
  const store = await openStore(options, "refuse", { node: options.node });
  const queueDir =
    options.queue ?? (options.state === defaultState ? defaultQueueDir : `${options.state}/cni-queue`);
  const agent = await startAgent({
    ...standardParts,
    node: options.node,
    store,
    machine: linuxMachine(),
    netns: options.netns === undefined ? "self" : { name: options.netns },
    stateDir: options.state,
    socketPath: options.socket,
    queueDir,
    logger,
    ...(options.addressCooldown !== undefined && { addressCooldownMs: options.addressCooldown }),
    cloud: providerOf(options, `agent/${options.node}`, store),
    processMetrics: true,
    sinkFolders: options.sinkFolder,
    now: options.labClock && (() => options.labClock!.now()),
    clock: options.labClock,
    ...(isKubernetes(options) && { setUpNode: { startupTaint: options.startupTaint || undefined } }),
    health: {
      ...(options.healthSocket !== undefined && { socketPath: options.healthSocket }),
      ...(options.healthPort !== undefined && { port: options.healthPort }),
      ...(options.healthAddress !== undefined && { address: options.healthAddress }),
    },
  });
  if (agent.healthPort !== undefined) logger.info({ port: agent.healthPort }, "health is served");
  void agent.ready.then(() => {
    logger.info({}, "node is ready");
    return configureRuntime(options, queueDir, logger);
  });
  void agent.ready.then(() => tidyAtRest(processAtRest(logger)));
  const signal = await stopping;
  logger.info({ signal }, "stopping");
  await agent.stop();
  await store.close();
}

/** Tells the container runtime of the plugin; a node that cannot says so in its log and is asked for pods by nobody. */
async function configureRuntime(options: Options, queueDir: string, logger: Logger): Promise<void> {
  if (options.cniConfDir === undefined) return;
  const { installCni } = await import("../../../agent/install-cni.ts");
  for (;;) {
    try {
      const { configuration, plugins, version } = await installCni({
        source: shimPath(),
        binDir: path.resolve(options.cniBinDir),
        confDir: path.resolve(options.cniConfDir),
        pluginPath: options.cniPluginPath.split(":").filter((folder) => folder !== ""),
        agentSocket: path.resolve(options.socket),
        queueDir: path.resolve(queueDir),
        network: "trunkline",
        timeoutMs: RETRY_MS,
      });
      return logger.info({ configuration, plugins, version }, "the container runtime is configured");
    } catch (error) {
      logger.error({ error: textOf(error) }, "the container runtime cannot be configured; trying again");
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}
