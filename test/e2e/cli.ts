// Runs the command line as users do.
import { spawn } from "node:child_process";
import path from "node:path";
import { text } from "node:stream/consumers";

const main = path.resolve("bin/trunkline");

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end; `env` is added to this process's own. */
export async function run(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(main, words, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await exited, out, err };
}

/** Runs a command and reads its JSON. */
export async function ask<T>(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<T> {
  const { out, err } = await run([...words, "-o", "json"], env);
  if (out === "") throw new Error(`trunkline ${words.join(" ")}: ${err}`);
  return JSON.parse(out) as T;
}
