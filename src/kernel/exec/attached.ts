// Running a program in the place of this one: it has this terminal, and this process only waits for it.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { environment, missingCommand, type RunOptions } from "./run.ts";

/** What a terminal sends to all its processes, and what a supervisor sends to the one that it knows. */
const KEYS = ["SIGINT", "SIGQUIT"] as const;
const PASSED_ON = ["SIGTERM", "SIGHUP"] as const;

/**
 * Runs a program with this process's standard input, output and error; signals go to it. Returns its exit code, or 128
 * plus the signal that ended it, as shells do.
 * @throws `kernel.command-missing`
 */
export async function runAttached(
  command: string,
  args: readonly string[],
  options: Pick<RunOptions, "env" | "cwd"> = {},
): Promise<number> {
  const child = spawn(command, args, {
    stdio: "inherit",
    env: { ...environment(options.env), LC_ALL: process.env["LC_ALL"] },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const ignore = (): void => {};
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of KEYS) process.on(signal, ignore);
  for (const signal of PASSED_ON) process.on(signal, passOn);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) => reject(missingCommand(command, error)));
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
  } finally {
    for (const signal of KEYS) process.off(signal, ignore);
    for (const signal of PASSED_ON) process.off(signal, passOn);
  }
}
