// Puts the plugin where a container runtime looks for it. The configuration is what makes the runtime call us, so it is
// written last, and only when the agent serves.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError } from "../base/errors.ts";
import { isExecutable } from "../base/executable.ts";
import { type AgentRequest, readReply } from "../cni/protocol.ts";
import type { CniFailure } from "../cni/spec.ts";
import { newestVersion, supportedVersions } from "../cni/versions.ts";
import { run } from "../kernel/exec/index.ts";

export interface InstallOptions {
  /** The built executable. */
  readonly source: string;
  readonly binDir: string;
  readonly confDir: string;
  /** Further folders in which the runtime looks for plugins. */
  readonly pluginPath: readonly string[];
  readonly agentSocket: string;
  readonly queueDir: string;
  /** Name of the network. */
  readonly network: string;
  /** Bytes; default: as the node's uplink. */
  readonly mtu?: number;
  /**
   * Plugins to chain behind ours where they are installed; default: portmap. Not the bandwidth plugin: limits are ours, and
   * a link has one root queue.
   */
  readonly chain?: readonly string[];
  /** How long to wait for the agent, in milliseconds. */
  readonly timeoutMs: number;
}

export interface Installed {
  readonly executable: string;
  readonly configuration: string;
  /** Plugins that are called in order. */
  readonly plugins: readonly string[];
  /** Of the specification: the newest that all of them speak. */
  readonly version: string;
}

/** First in lexical order: runtimes take the first file of the folder. */
const fileName = "10-trunkline.conflist";

/** Puts the executable in its folder; returns its path. @throws what the system says about files */
export function installExecutable({ source, binDir }: Pick<InstallOptions, "source" | "binDir">): string {
  const executable = path.join(binDir, "trunkline");
  replaceFile(executable, (temporary) => {
    copyFileSync(source, temporary);
    chmodSync(temporary, 0o755);
  });
  return executable;
}

/** @throws `agent.not-serving` when the time is over; what the system says about files */
export async function installCni(options: InstallOptions): Promise<Installed> {
  const executable = installExecutable(options);
  await waitForAgent(options.agentSocket, options.timeoutMs);
  const found = (options.chain ?? ["portmap"]).flatMap((name) => {
    const file = [options.binDir, ...options.pluginPath]
      .map((folder) => path.join(folder, name))
      .find(isExecutable);
    return file === undefined ? [] : [{ name, file }];
  });
  const chained = found.map(({ name }) => name);
  const versions = commonVersions(await Promise.all(found.map(({ file }) => versionsOf(file))));
  const text = `${JSON.stringify(conflist(options, chained, versions), undefined, 2)}\n`;
  const configuration = path.join(options.confDir, fileName);
  // A file that is as it should be is left alone: each rename makes the runtime read its configuration again.
  if (!isSame(configuration, text))
    replaceFile(configuration, (temporary) => writeFileSync(temporary, text, { mode: 0o600, flush: true }));
  return {
    executable,
    configuration,
    plugins: ["trunkline", ...chained],
    version: versions.at(-1) ?? newestVersion,
  };
}

/**
 * Returns the configuration that a runtime reads.
 * @param versions of the specification that all of the plugins speak, oldest first
 */
export function conflist(
  options: Pick<InstallOptions, "network" | "agentSocket" | "queueDir" | "mtu">,
  chained: readonly string[],
  versions: readonly string[] = supportedVersions,
): object {
  const { network, agentSocket, queueDir, mtu } = options;
  const ours = { type: "trunkline", agentSocket, queueDir, ...(mtu !== undefined && { mtu }) };
  const theirs: Record<string, object> = {
    portmap: { type: "portmap", capabilities: { portMappings: true }, snat: true },
    bandwidth: { type: "bandwidth", capabilities: { bandwidth: true } },
  };
  return {
    cniVersion: versions.at(-1) ?? newestVersion,
    // A runtime that speaks an older version picks the newest that it knows from here.
    cniVersions: versions,
    name: network,
    plugins: [ours, ...chained.flatMap((name) => theirs[name] ?? [])],
  };
}

/** One configuration has one version, and a plugin refuses those that it does not know: Debian 12's end at 1.0.0. */
function commonVersions(others: readonly (readonly string[])[]): readonly string[] {
  return supportedVersions.filter((version) => others.every((known) => known.includes(version)));
}

/** Asks a plugin which versions of the specification it speaks. @throws `kernel.command` */
async function versionsOf(executable: string): Promise<readonly string[]> {
  const { stdout } = await run(executable, [], {
    env: { CNI_COMMAND: "VERSION" },
    input: "{}",
    timeoutMs: 5000,
  });
  return (JSON.parse(stdout) as { supportedVersions?: readonly string[] }).supportedVersions ?? [];
}

/**
 * Asks the agent for STATUS until it says yes.
 * @param timeoutMs milliseconds
 * @throws `agent.not-serving`
 */
export async function waitForAgent(socketPath: string, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let pause = 20; ; pause = Math.min(2 * pause, 500)) {
    const why = await status(socketPath);
    if (why === undefined) return;
    if (performance.now() + pause > end)
      throw new TrunklineError("agent.not-serving", { path: socketPath, seconds: timeoutMs / 1000, why });
    await sleep(pause);
  }
}

/** Returns undefined if the agent is ready, else why not. */
async function status(socketPath: string): Promise<string | undefined> {
  const request: AgentRequest = {
    version: 1,
    command: "STATUS",
    containerId: "",
    netns: "",
    ifName: "",
    args: "",
    path: "-",
    config: JSON.stringify({ cniVersion: newestVersion, name: "status" }),
  };
  const text = await new Promise<string>((resolve) => {
    let reply = "";
    const socket = connect(socketPath, () => socket.end(JSON.stringify(request)));
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (reply += chunk));
    socket.on("close", () => resolve(reply));
    // "close" follows, with an empty reply.
    socket.on("error", (error) => (reply = error.message));
  });
  const reply = readReply(text);
  if (reply === undefined) return text === "" ? "it does not answer" : text;
  if (reply.exitCode === 0) return undefined;
  const { msg, details } = JSON.parse(reply.stdout) as CniFailure;
  return details ?? msg;
}

/** Writes a file by way of a temporary one in the same folder: no reader ever sees half of it. */
function replaceFile(file: string, write: (temporary: string) => void): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  try {
    write(temporary);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function isSame(file: string, text: string): boolean {
  try {
    return readFileSync(file, "utf8") === text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
