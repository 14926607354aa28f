// Running a program to its end. Arguments are always a list: no shell ever sees them.
import { spawn } from "node:child_process";
import { isError, TrunklineError } from "../../base/errors.ts";
import type { NetnsRef } from "../kernel.ts";
import { netnsPath } from "../netns/enter.ts";

export interface RunOptions {
  /** Written to standard input, which is then closed; without it standard input is empty. */
  readonly input?: string | Uint8Array;
  /** The namespace that it runs in; default: this process's own. */
  readonly netns?: NetnsRef;
  /** Killed after that many milliseconds; default 30 000. 0: never. */
  readonly timeoutMs?: number;
  /** Put over this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Kills it when aborted; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Exit codes that are results and no failures; default: 0 only. "any" takes every code. */
  readonly codes?: readonly number[] | "any";
  /** Told the process id once it runs. */
  readonly onStart?: (pid: number) => void;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const DEFAULT_TIMEOUT_MS = 30_000;
const EXCERPT = 2000;

/**
 * Runs a program and returns what it printed.
 * @throws `kernel.command` (its exit code and the end of its standard error), `kernel.command-missing`,
 *   `kernel.command-timeout`, the abort reason
 */
export async function run(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Finished> {
  options.signal?.throwIfAborted();
  const [file, list] = commandLine(command, args, options.netns);
  const child = spawn(file, list, {
    stdio: ["pipe", "pipe", "pipe"],
    env: environment(options.env),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on("data", (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.stderr.push(chunk));
  // A program may end without reading its input: that is no failure of its own.
  child.stdin.on("error", ignoreClosedPipe);
  child.stdin.end(options.input);

  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let timedOut = false;
  const kill = (): void => void child.kill("SIGKILL");
  const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs);
  function expire(): void {
    timedOut = true;
    kill();
  }
  options.signal?.addEventListener("abort", kill, { once: true });
  try {
    if (child.pid !== undefined) options.onStart?.(child.pid);
    const end = await ending(child, command);
    options.signal?.throwIfAborted();
    if (timedOut) throw tooLate(command, args, timeoutMs);
    const stdout = Buffer.concat(output.stdout).toString();
    const stderr = Buffer.concat(output.stderr).toString();
    return judge(end, { stdout, stderr }, { command, args, options });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", kill);
  }
}

/** How a program has ended: its exit code, or the signal. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function ending(child: ReturnType<typeof spawn>, command: string): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => reject(missingCommand(command, error)));
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
}

/** Returns what a program's end means to who ran it. @throws see run */
export function judge(
  end: Ending,
  { stdout, stderr }: { stdout: string; stderr: string },
  { command, args, options }: { command: string; args: readonly string[]; options: RunOptions },
): Finished {
  const codes = options.codes ?? [0];
  const { code } = end;
  const inside = options.netns !== undefined && options.netns !== "self";
  if (inside && code === 127 && stderr.startsWith("nsenter: failed to execute")) {
    throw new TrunklineError("kernel.command-missing", { command, errno: "ENOENT" });
  }
  if (code !== null && (codes === "any" || codes.includes(code))) return { code, stdout, stderr };
  throw new TrunklineError("kernel.command", {
    command: shown(command, args),
    code: code ?? undefined,
    signal: end.signal ?? undefined,
    stderr: stderr.trim().slice(-EXCERPT),
  });
}

/** Returns the program and arguments that run `command` in a namespace. */
export function commandLine(
  command: string,
  args: readonly string[],
  netns: NetnsRef | undefined,
): [string, readonly string[]] {
  if (netns === undefined || netns === "self") return [command, args];
  return ["nsenter", [`--net=${netnsPath(netns)}`, "--", command, ...args]];
}

/** Returns this process's environment with changes, in the locale whose messages the code reads. */
export function environment(changes: RunOptions["env"]): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C", ...changes };
}

export function missingCommand(command: string, error: NodeJS.ErrnoException): TrunklineError {
  return new TrunklineError(
    "kernel.command-missing",
    { command, errno: error.code ?? "unknown" },
    { cause: error },
  );
}

/** Returns whether an error says that a program is not installed. */
export function isMissingCommand(error: unknown): boolean {
  return isError(error, "kernel.command-missing");
}

export function tooLate(command: string, args: readonly string[], timeoutMs: number): TrunklineError {
  return new TrunklineError("kernel.command-timeout", { command: shown(command, args), timeoutMs });
}

function shown(command: string, args: readonly string[]): string {
  const text = [command, ...args].join(" ");
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "ECONNRESET") throw error;
}
