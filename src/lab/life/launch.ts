// Starting a lab's process where this one cannot be it: in the background, or in namespaces of its own.
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { type Daemon, run, runAttached, startDaemon } from "../../kernel/exec/index.ts";
import { isKept, type LabRecord, labPaths, labsFolder, readLab } from "./state.ts";

/** Set in a lab's process that lives in a user namespace of its own. */
const ROOTLESS_VARIABLE = "TRUNKLINE_ROOTLESS";
/** Long, as one that fails ends by itself: this is for one that hangs, not for a machine that does much else. */
const START_TIMEOUT_MS = 180_000;
/** How long one that is not waited for any more may take to clear itself away. */
const GRACE_MS = 15_000;
const POLL_MS = 15;
const LOG_LINES = 15;
const LOG_BYTES = 16_384;

/** Returns whether this process has to make namespaces of its own before it can make a lab. */
export function needsOwnNamespaces(): boolean {
  return process.geteuid?.() !== 0;
}

/** Returns whether this process is a lab's inside namespaces of its own. */
export function isRootless(): boolean {
  return process.env[ROOTLESS_VARIABLE] === "1";
}

/** Runs this very program again, with other arguments, in namespaces of its own; returns its exit code. */
export async function enterOwnNamespaces(args: readonly string[]): Promise<number> {
  await checkUserNamespaces();
  const [command, ...rest] = inOwnNamespaces(args);
  return runAttached(command, rest, { env: rootlessEnvironment() });
}

/** Prepares the inside of a rootless lab: /run is the lab's own, so that its namespaces can have names there. */
export async function prepareOwnRun(): Promise<void> {
  await run("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]);
}

/**
 * Starts this very program again in the background, and waits until its lab is ready.
 * @param patienceMs how long it is waited for; then it is ended, and nothing of it stays
 * @throws TrunklineError `lab.failed` or `lab.late` with the end of its log, `lab.rootless`
 */
export async function startInBackground(
  name: string,
  args: readonly string[],
  patienceMs = START_TIMEOUT_MS,
): Promise<LabRecord> {
  const paths = labPaths(name);
  const rootless = needsOwnNamespaces();
  if (rootless) await checkUserNamespaces();
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const [command, ...rest] = rootless ? inOwnNamespaces(args) : thisProgram(args);
  // A lab that fails clears its folder away, with the log in it: who holds the file can still read it.
  const log = openSync(paths.log, "a+", 0o600);
  try {
    const daemon = await startDaemon(command, rest, {
      detached: true,
      logFile: paths.log,
      ...(rootless && { env: rootlessEnvironment() }),
    });
    const found = await readiness(name, daemon, patienceMs);
    if (typeof found === "object") return found;
    if (found === "ended") throw new TrunklineError("lab.failed", { name, end: endOf(log) });
    const end = endOf(log);
    await endLate(name, daemon);
    throw new TrunklineError("lab.late", { name, seconds: Math.round(patienceMs / 1000), end });
  } finally {
    closeSync(log);
  }
}

/** Returns the record of a lab once it is ready, or that its process has ended, or that it takes too long. */
async function readiness(
  name: string,
  daemon: Daemon,
  patienceMs: number,
): Promise<LabRecord | "ended" | "late"> {
  let ended = false;
  void daemon.exited.then(() => {
    ended = true;
  });
  const end = performance.now() + patienceMs;
  while (!ended && performance.now() < end) {
    const lab = readLab(name);
    if (lab?.record.ready && lab.record.process.pid === daemon.pid) return lab.record;
    await sleep(POLL_MS);
  }
  return ended ? "ended" : "late";
}

/** Ends a lab that nobody waits for any more: else it came up later, though its user was told that it did not start. */
async function endLate(name: string, daemon: Daemon): Promise<void> {
  await daemon.stop(GRACE_MS);
  const left = readLab(name);
  const { endLab, forgetKept } = await import("./down.ts");
  if (left?.record.process.pid === daemon.pid) await endLab(left, isKept(name));
  // It had not written who it is yet: there is its log alone, or what an earlier one of the name has kept.
  else if (!left && !isKept(name)) forgetKept(name);
}

function thisProgram(args: readonly string[]): [string, ...string[]] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? "", ...args];
}

function inOwnNamespaces(args: readonly string[]): [string, ...string[]] {
  const flags = ["--user", "--map-root-user", "--net", "--mount", "--propagation", "private"];
  return ["unshare", ...flags, "--", ...thisProgram(args)];
}

/** Inside, this user is root: folders that depend on who one is must stay those of the outside. */
function rootlessEnvironment(): Record<string, string> {
  const folder = labsFolder();
  if (folder === "/run" || folder.startsWith("/run/"))
    throw new TrunklineError("lab.rootless-run", { folder });
  return { [ROOTLESS_VARIABLE]: "1", TRUNKLINE_LABS: folder };
}

/** The settings that forbid an ordinary user a user namespace, each with the value that does. */
const SETTINGS = [
  ["kernel/unprivileged_userns_clone", "0"],
  ["user/max_user_namespaces", "0"],
  ["user/max_net_namespaces", "0"],
  ["user/max_mnt_namespaces", "0"],
  ["kernel/apparmor_restrict_unprivileged_userns", "1"],
] as const;

/** @throws TrunklineError `lab.rootless`, which names the setting if it is one that is known */
async function checkUserNamespaces(): Promise<void> {
  const [command, ...args] = inOwnNamespaces([]);
  const separator = args.indexOf("--");
  try {
    await run(command, [...args.slice(0, separator + 1), "true"]);
  } catch (error) {
    throw new TrunklineError(
      "lab.rootless",
      { why: textOf(error), setting: forbiddingSetting() },
      { cause: error },
    );
  }
}

function forbiddingSetting(): string | undefined {
  for (const [key, value] of SETTINGS) {
    if (settingOf(key) === value) return `sysctl ${key.replaceAll("/", ".")} is ${value}`;
  }
  const status = readFileSync("/proc/self/status", "utf8");
  if (/^NoNewPrivs:\s*1$/m.test(status)) return "this process may not gain privileges (NoNewPrivs)";
  if (/^Seccomp:\s*2$/m.test(status)) return "a seccomp filter of the container that this runs in";
  return undefined;
}

function settingOf(key: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${key}`, "utf8").trim();
  } catch (error) {
    // Most kernels have only some of these settings.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function endOf(log: number): string {
  const text = Buffer.alloc(LOG_BYTES);
  const { size } = fstatSync(log);
  const length = readSync(log, text, 0, text.length, Math.max(0, size - text.length));
  return text.toString("utf8", 0, length).trimEnd().split("\n").slice(-LOG_LINES).join("\n");
}
