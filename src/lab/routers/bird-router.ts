// BIRD in a router's namespace.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Daemon, run, startDaemon } from "../../kernel/exec/index.ts";
import type { Running } from "../life/supervisor.ts";
import { daemonEnvironment } from "./packages.ts";
import { awaitSocket } from "./readiness.ts";

export interface RouterPlace {
  readonly name: string;
  /** The name of its network namespace. */
  readonly netns: string;
  /** Its own, for configuration, sockets and logs. */
  readonly folder: string;
}

/** Returns the control socket of a BIRD that keeps its files in `folder`. */
export function birdControl(folder: string): string {
  return path.join(folder, "bird.ctl");
}

/** Starts BIRD; settles when it answers. @throws TrunklineError `lab.router-start` */
export async function startBird({ name, netns, folder }: RouterPlace, text: string): Promise<Running> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const control = birdControl(folder);
  // What a killed one left would look as if this one were ready.
  rmSync(control, { force: true });
  const config = writeConfig(folder, text);
  const logFile = path.join(folder, "bird.log");
  const args = ["-f", "-c", config, "-s", control];
  const env = daemonEnvironment();
  const daemon = await startDaemon("bird", args, { netns: { name: netns }, env, logFile });
  await awaitSocket({ daemon, socket: control, router: name, command: "bird", logFile });
  return runningOf([daemon]);
}

/** Brings another configuration into force without a restart. @throws `kernel.command` where BIRD refuses it */
export async function reconfigureBird({ folder }: RouterPlace, text: string): Promise<void> {
  writeConfig(folder, text);
  await run("birdc", ["-s", birdControl(folder), "configure"], { env: daemonEnvironment() });
}

function writeConfig(folder: string, text: string): string {
  const file = path.join(folder, "bird.conf");
  // Passwords of peers may stand in it.
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** Several daemons as one: when one of them has ended, so have all. */
export function runningOf(daemons: readonly Daemon[]): Running {
  const signal = (name: NodeJS.Signals): void => {
    for (const daemon of daemons) daemon.signal(name);
  };
  const all = Promise.all(daemons.map(({ exited }) => exited));
  const exited = Promise.race(daemons.map((daemon) => daemon.exited)).then(async () => {
    signal("SIGKILL");
    await all;
  });
  const stop = async (): Promise<void> => {
    // The first one is what the others need: it goes last, once they have taken back what they told it.
    for (const daemon of daemons.toReversed()) await daemon.stop();
  };
  return { pid: daemons[0]?.pid ?? null, exited, signal, stop };
}
