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

/**
 * Starts a program in the background; its process id and start time are written down, so that only it is ended, and its words,
 * so that it can be started again.
 * @param folders where it finds programs before those of PATH
 * @returns its process id
 */
export function start(
  name: string,
  command: string,
  args: readonly string[],
  folders: readonly string[] = [],
): number {
  for (const folder of ["pids", "logs", "words"]) mkdirSync(file(folder), { recursive: true });
  writeFileSync(file("words", name), JSON.stringify({ command, args, folders } satisfies Words));
  const log = openSync(file("logs", `${name}.log`), "a");
  const env = { ...process.env, PATH: [...folders, process.env["PATH"]].join(":") };
  const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log], env });
  closeSync(log);
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  child.unref();
  writeFileSync(file("pids", name), `${child.pid} ${startTime(child.pid)}\n`);
  return child.pid;
}

interface Words {
  readonly command: string;
  readonly args: readonly string[];
  readonly folders: readonly string[];
}

/** Starts a program that has ended, as it was started before. @throws if the cluster has none of that name */
export function startAgain(name: string): void {
  const words = file("words", name);
  if (!/^[\w-]+$/.test(name) || !existsSync(words)) throw new Error(`the cluster has no program ${name}`);
  if (isRunning(name)) return;
  const { command, args, folders } = JSON.parse(readFileSync(words, "utf8")) as Words;
  start(name, command, args, folders);
}

/** When a process began, in the kernel's ticks: with its number that is nobody else. Nothing for one that has ended. */
function startTime(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // One that nobody has waited for yet has a number, and runs nothing.
    return words[0] === "Z" ? "" : (words[19] ?? "");
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

/**
 * Waits until `look` finds it so. The time is one after which nothing comes any more, also where a machine does much else: a start
 * that takes ten seconds of a quiet one took minutes there.
 * @throws if a program of the cluster has ended, or after so many seconds
 */
export async function until(what: string, look: () => boolean, seconds = 900): Promise<void> {
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
