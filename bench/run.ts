// `npm run bench -- NAME`: runs bench/NAME.ts, prints its rows as a table and keeps them in bench/results/.
// `npm run bench -- all --quick`: all of them with few rounds, beside the last such run.
import { readdirSync } from "node:fs";
import path from "node:path";
import { runAll } from "./lib/all.ts";
import { missing, type Need, needText } from "./lib/needs.ts";
import { keepResult } from "./lib/results.ts";
import type { Bench, Row } from "./lib/row.ts";
import { columns, figure } from "./lib/table.ts";

function names(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && file !== "run.ts")
    .map((file) => path.basename(file, ".ts"));
}

function table(rows: readonly Row[]): string {
  return columns([
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
  ]);
}

/** Returns the exit code: 0 all bars held, 1 one did not, 2 it could not be measured. */
async function runOne(name: string, options: readonly string[]): Promise<number> {
  const { bench, needs = [] } = (await import(`./${name}.ts`)) as { bench: Bench; needs?: readonly Need[] };
  const absent = missing(needs);
  if (absent.length > 0) {
    console.error(`bench ${name}: needs ${absent.map(needText).join(", ")}`);
    return 2;
  }
  const rows = await bench(options.filter((option) => !option.startsWith("--")));
  // A bench may have started itself anew in namespaces of its own: then that process has told everything.
  if (rows === undefined) return Number(process.exitCode ?? 0);
  console.log(table(rows));
  console.error(`wrote ${keepResult(name, rows)}`);
  return rows.some((row) => row.held === false) ? 1 : 0;
}

const [name = "", ...options] = process.argv.slice(2);
if (name === "all") process.exitCode = runAll(names(), options) ? 0 : 1;
else if (names().includes(name)) {
  try {
    process.exitCode = await runOne(name, options);
  } catch (error) {
    // What a bench has started it has ended by then; the stack would hide the one line that helps.
    console.error(`bench ${name}: ${error instanceof Error ? error.message : String(error)}`);
    if (process.env["TRUNKLINE_DEBUG"] !== undefined) console.error(error);
    process.exitCode = 2;
  }
} else {
  const known = names().join(", ");
  console.error(`usage: npm run bench -- NAME [--quick], where NAME is all or one of: ${known}`);
  process.exitCode = 2;
}
