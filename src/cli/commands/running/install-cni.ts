// trunkline install-cni: the plugin's executable and its configuration, for a container runtime on this node.
import { existsSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { installCni, installExecutable } from "../../../agent/install-cni.ts";
import { shimPath } from "../../../agent/shim-path.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { defaultAgentSocket, defaultQueueDir } from "../../../cni/config.ts";
import { answerOption } from "../../options.ts";
import { print, printJson, say } from "../../output.ts";

interface Options {
  readonly binDir: string;
  readonly confDir: string;
  readonly pluginPath: string;
  readonly socket: string;
  readonly queue: string;
  readonly network: string;
  readonly mtu?: number;
  readonly timeout: number;
  readonly executableOnly?: boolean;
  readonly output: "text" | "json";
}

export function command(): Command {
  return new Command("install-cni")
    .description("install the CNI plugin, and once the agent serves, its configuration")
    .option("--bin-dir <folder>", "where the runtime looks for plugins", "/opt/cni/bin")
    .option("--conf-dir <folder>", "where the runtime looks for configurations", "/etc/cni/net.d")
    .option("--plugin-path <folders>", "further folders with plugins, separated by colons", "/usr/lib/cni")
    .option("--socket <path>", "the agent's unix socket", defaultAgentSocket)
    .option("--queue <folder>", "where the plugin leaves what it could not say", defaultQueueDir)
    .option("--network <name>", "name of the network", "trunkline")
    .option("--mtu <bytes>", "MTU of pods' interfaces; default: as the node's uplink", wholeNumber)
    .option("--timeout <seconds>", "how long to wait for the agent", wholeNumber, 60)
    .option("--executable-only", "leave the configuration to the agent (agent --cni-conf-dir)")
    .addOption(answerOption())
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  const source = shimPath();
  if (!existsSync(source)) throw new TrunklineError("agent.no-shim", { path: source });
  if (options.executableOnly) {
    const executable = installExecutable({ source, binDir: path.resolve(options.binDir) });
    if (options.output === "json") printJson({ executable });
    else print(`${executable} is installed`);
    return;
  }
  say(`waiting for the agent at ${options.socket}`);
  const installed = await installCni({
    source,
    binDir: path.resolve(options.binDir),
    confDir: path.resolve(options.confDir),
    pluginPath: options.pluginPath.split(":").filter((folder) => folder !== ""),
    agentSocket: path.resolve(options.socket),
    queueDir: path.resolve(options.queue),
    network: options.network,
    ...(options.mtu !== undefined && { mtu: options.mtu }),
    timeoutMs: options.timeout * 1000,
  });
  if (options.output === "json") return printJson(installed);
  print(`${installed.executable} is installed`);
  print(`${installed.configuration} calls ${installed.plugins.join(", ")} (CNI ${installed.version})`);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("a whole number is needed");
  return Number(text);
}
