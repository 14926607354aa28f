// trunkline agent: the node's daemon.
import { hostname } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { startAgent } from "../../agent/agent.ts";
import { standardParts } from "../../agent/standard.ts";
import { defaultAgentSocket, defaultQueueDir } from "../../cni/config.ts";
import { linuxMachine } from "../../kernel/index.ts";
import { openStore, type StoreOptions, storeOptions } from "../context.ts";
import { askedToEnd, assertMeant, keepPrivate } from "../daemon.ts";
import { jsonLogger, logLevels } from "../json-logger.ts";
import { addressCooldownOption } from "../options.ts";
import { type ProviderOptions, providerOf, providerOptions } from "../provider.ts";

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
  readonly logLevel: (typeof logLevels)[number];
}

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
    .option("--log-level <level>", logLevels.join(", "), "info")
    .action((options: Options) => run(options));
  return storeOptions(providerOptions(agent));
}

async function run(options: Options): Promise<void> {
  assertMeant("agent", options, options.netns);
  keepPrivate();
  const logger = jsonLogger(options.logLevel, { component: "agent", node: options.node });
  const stopping = askedToEnd(logger);
  const store = await openStore(options);
  const agent = await startAgent({
    ...standardParts,
    node: options.node,
    store,
    machine: linuxMachine(),
    netns: options.netns === undefined ? "self" : { name: options.netns },
    stateDir: options.state,
    socketPath: options.socket,
    queueDir:
      options.queue ?? (options.state === defaultState ? defaultQueueDir : `${options.state}/cni-queue`),
    logger,
    ...(options.addressCooldown !== undefined && { addressCooldownMs: options.addressCooldown }),
    cloud: providerOf(options, `agent/${options.node}`),
    processMetrics: true,
    health: {
      ...(options.healthSocket !== undefined && { socketPath: options.healthSocket }),
      ...(options.healthPort !== undefined && { port: options.healthPort }),
      ...(options.healthAddress !== undefined && { address: options.healthAddress }),
    },
  });
  if (agent.healthPort !== undefined) logger.info({ port: agent.healthPort }, "health is served");
  void agent.ready.then(() => logger.info({}, "node is ready"));
  const signal = await stopping;
  logger.info({ signal }, "stopping");
  await agent.stop();
  await store.close();
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535)
    throw new InvalidArgumentError("a port is a number from 0 to 65535");
  return port;
}
