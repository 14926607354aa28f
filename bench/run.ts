// `npm run bench -- NAME`: runs bench/NAME.ts, prints its rows as a table and writes bench/results/NAME.json.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Bench, Row } from "./lib/row.ts";

const here = import.meta.dirname;

function names(): string[] {
  return readdirSync(here)
    .filter((file) => file.endsWith(".ts") && file !== "run.ts")
    .map((file) => path.basename(file, ".ts"));
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

function table(rows: readonly Row[]): string {
  const figure = (value: number | null) => (value === null ? "" : String(Number(value.toPrecision(3))));
  const cells = [
    ["", "what", "ours", "peer", "unit", "ratio", "bar", "held"],
    ...rows.map((row) => [
      row.id,
      row.what,
      figure(row.ours),
      figure(row.peer),
      row.unit,
      figure(row.ratio),
      row.bar,
      row.held === null ? "" : row.held ? "yes" : "NO",
    ]),
  ];
  const widths = cells[0]?.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0))) ?? [];
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const name = process.argv[2];
if (name === undefined || !names().includes(name)) {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${names().join(", ")}`);
  process.exitCode = 2;
} else {
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
  const rows = await bench(process.argv.slice(3));
  // A bench may have started itself anew in namespaces of its own: then that process has told everything.
  if (rows !== undefined) {
    console.log(table(rows));
    const folder = path.join(here, "results");
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${name}.json`);
    writeFileSync(file, `${JSON.stringify({ rows, machine: machine() }, undefined, 2)}\n`);
    console.error(`wrote ${path.relative(process.cwd(), file)}`);
    if (rows.some((row) => row.held === false)) process.exitCode = 1;
  }
}
