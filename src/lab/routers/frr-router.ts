// FRR in a router's namespace: zebra and what the configuration needs beside it. The daemons become user frr.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Daemon, run, startDaemon } from "../../kernel/exec/index.ts";
import type { Running } from "../life/supervisor.ts";
import { type RouterPlace, runningOf } from "./bird-router.ts";
import { daemonsFor, frrChanges } from "./frr-text.ts";
import { daemonEnvironment, FRR_FOLDER } from "./packages.ts";
import { awaitSocket } from "./readiness.ts";
import type { Speaker } from "./speaker.ts";

const USER = "frr";

/** Starts FRR's daemons and gives them their configuration. @throws `lab.router-start`, `kernel.command` */
export async function startFrr(place: RouterPlace, text: string): Promise<Running> {
  const { folder } = place;
  await makeFolder(folder);
  const daemons: Daemon[] = [];
  try {
    // Each of the others connects to zebra as it starts.
    for (const command of daemonsFor(text)) daemons.push(await startOne(place, command));
    const config = path.join(folder, "frr.conf");
    writeFileSync(config, text, { mode: 0o600 });
    await vtysh(place, ["-b"]);
  } catch (error) {
    for (const daemon of daemons) daemon.signal("SIGKILL");
    throw error;
  }
  return runningOf(daemons);
}

/** Leads a running router from one generated configuration to another one. @throws `kernel.command` where FRR refuses */
export async function reconfigureFrr(
  place: RouterPlace,
  from: Speaker,
  to: Speaker,
  text: string,
): Promise<void> {
  const commands = frrChanges(from, to);
  if (commands.length === 0) return;
  // For whoever reads it; a start of the daemons writes it anew.
  writeFileSync(path.join(place.folder, "frr.conf"), text, { mode: 0o600 });
  await vtysh(
    place,
    commands.flatMap((command) => ["-c", command]),
  );
}

/** What a killed router left (sockets, process ids) goes first: it would look as if this one were ready. */
async function makeFolder(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const above = path.dirname(folder);
  mkdirSync(above, { recursive: true });
  for (const one of [path.dirname(above), above]) chmodSync(one, 0o711);
  await run("install", ["-d", "-o", USER, "-g", USER, "-m", "0750", folder]);
  // vtysh complains where it is not there.
  writeFileSync(path.join(folder, "vtysh.conf"), "");
}

async function startOne({ name, netns, folder }: RouterPlace, command: string): Promise<Daemon> {
  const logFile = path.join(folder, `${command}.log`);
  const socket = path.join(folder, `${command}.vty`);
  const args = ["-A", "127.0.0.1", "-P", "0", "-u", USER, "-g", USER, "-f", "/dev/null", "--log", "stdout"];
  args.push("-i", path.join(folder, `${command}.pid`), "-z", path.join(folder, "zserv.api"));
  args.push("--vty_socket", folder);
  const program = path.join(FRR_FOLDER, command);
  const daemon = await startDaemon(program, args, { netns: { name: netns }, logFile });
  await awaitSocket({ daemon, socket, router: name, command, logFile });
  return daemon;
}

async function vtysh({ folder }: RouterPlace, args: readonly string[]): Promise<void> {
  await run("vtysh", ["--vty_socket", folder, "--config_dir", folder, ...args], { env: daemonEnvironment() });
}
