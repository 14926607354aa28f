// Programs that run until they are stopped (BIRD, a lab's agents).
import { type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { NetnsRef } from "../kernel.ts";
import { commandLine, environment, missingCommand, type RunOptions } from "./run.ts";

export interface DaemonOptions {
  readonly netns?: NetnsRef;
  readonly env?: RunOptions["env"];
  readonly cwd?: string;
  /** File that its output is appended to; default: thrown away. */
  readonly logFile?: string;
  /** Outlives this process, and does not keep it alive. */
  readonly detached?: boolean;
}

export interface DaemonExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export interface Daemon {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<DaemonExit>;
  /** Sends a signal; false if it has ended. */
  signal(name: NodeJS.Signals): boolean;
  /** Ends it: SIGTERM, and SIGKILL after `graceMs` (default 2000). Resolves when it has ended. */
  stop(graceMs?: number): Promise<DaemonExit>;
}

/** Starts a program in the background; resolves once it runs. @throws `kernel.command-missing` */
export async function startDaemon(
  command: string,
  args: readonly string[] = [],
  options: DaemonOptions = {},
): Promise<Daemon> {
  const [file, list] = commandLine(command, args, options.netns);
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, "a", 0o600);
  const stdio: StdioOptions = ["ignore", log ?? "ignore", log ?? "ignore"];
  const child = spawn(file, list, {
    stdio,
    env: environment(options.env),
    detached: options.detached ?? false,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  if (log !== undefined) closeSync(log);
  const exited = new Promise<DaemonExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error: NodeJS.ErrnoException) => reject(missingCommand(command, error)));
  });
  if (options.detached) child.unref();
  const signal = (name: NodeJS.Signals): boolean => child.kill(name);
  const stop = async (graceMs = 2000): Promise<DaemonExit> => {
    signal("SIGTERM");
    const timer = setTimeout(() => signal("SIGKILL"), graceMs);
    try {
      return await exited;
    } finally {
      clearTimeout(timer);
    }
  };
  // A program that started has a process id.
  return { pid: child.pid!, exited, signal, stop };
}
