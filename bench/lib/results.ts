// Results of runs, kept in bench/results/ (not in git: they are this machine's).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { isQuick } from "./quick.ts";
import type { Row } from "./row.ts";

const folder = path.resolve(import.meta.dirname, "../results");

export interface Result {
  readonly rows: readonly Row[];
  readonly quick?: boolean;
  readonly machine: { readonly at: string };
}

/** Quick runs are kept apart: they are compared with each other. */
function fileOf(name: string): string {
  return path.join(folder, `${name}${isQuick ? ".quick" : ""}.json`);
}

/** Returns the last result of a bench, if there is one. */
export function lastResult(name: string): Result | undefined {
  const file = fileOf(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Result) : undefined;
}

/** Writes a result; returns its path. */
export function keepResult(name: string, rows: readonly Row[]): string {
  mkdirSync(folder, { recursive: true });
  const file = fileOf(name);
  const result = { rows, quick: isQuick, machine: machine() };
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  return path.relative(process.cwd(), file);
}

function machine() {
  const model = /^model name\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  return {
    cpu: model,
    cpus: os.availableParallelism(),
    memoryMiB: Math.round(os.totalmem() / 2 ** 20),
    kernel: os.release(),
    node: process.version,
    at: new Date().toISOString(),
  };
}
