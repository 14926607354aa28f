// Programs that run until they are ended: started apart from us, with a log and a pid file each, and ended by pid.
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { file } from "./place.ts";

/** Runs a program to its end. @throws with what it says on standard error */
export function run(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 4).join(" ")}: ${error?.message ?? stderr}`);
  return stdout;
}

/** Starts a program in the background; its process id and start time are written down, so that only it is ended. */
export function start(
  name: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): number {
  mkdirSync(file("pids"), { recursive: true });
  mkdirSync(file("logs"), { recursive: true });
  const log = openSync(file("logs", `${name}.log`), "a");
  const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log], env });
  closeSync(log);
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  child.unref();
  writeFileSync(file("pids", name), `${child.pid} ${startTime(child.pid)}\n`);
  return child.pid;
}

/** When a process began, in the kernel's ticks: with its number that is nobody else. */
function startTime(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19] ?? "";
  } catch {
    // It is gone.
    return "";
  }
}

export function isRunning(name: string): boolean {
  if (!existsSync(file("pids", name))) return false;
  const [pid = "", began] = readFileSync(file("pids", name), "utf8").trim().split(" ");
  return startTime(Number(pid)) === began && began !== "";
}

export function pidOf(name: string): number {
  return Number(readFileSync(file("pids", name), "utf8").split(" ")[0]);
}

/** Ends programs whose names begin so, and waits for it. */
export async function end(prefix: string): Promise<void> {
  const names = existsSync(file("pids"))
    ? readdirSync(file("pids")).filter((name) => name.startsWith(prefix))
    : [];
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const name of names) if (isRunning(name)) process.kill(pidOf(name), signal);
    for (let left = 100; left > 0 && names.some(isRunning); left--) await sleep(100);
  }
  for (const name of names) rmSync(file("pids", name), { force: true });
}

export async function until(what: string, look: () => boolean, seconds = 120): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (look()) return;
    for (const name of readdirSync(file("pids")))
      if (!isRunning(name)) throw new Error(`${name} has ended; its log is ${file("logs", `${name}.log`)}`);
    await sleep(200);
  }
  throw new Error(`kube: ${what}: not within ${seconds} s; logs are in ${file("logs")}`);
}

/** Returns whether a command succeeds. */
export function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

export function say(text: string): void {
  process.stderr.write(`kube: ${text}\n`);
}
