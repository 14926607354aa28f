// All benches one after the other, each in a process of its own, and one table: today's figures beside the last ones.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { isQuick } from "./quick.ts";
import { lastResult } from "./results.ts";
import type { Row } from "./row.ts";
import { columns, figure } from "./table.ts";

/** Starts a cluster of its own and waits for its kubelets: more than five minutes have room for. */
const NOT_QUICK: ReadonlySet<string> = new Set(["kube"]);
/** Figures of a noisy machine that differ by less than this share say nothing. */
const NOISE = 0.15;

/**
 * Runs them all.
 * @param options passed on to each, such as `--quick`
 * @returns whether every one ended well and held its bars
 */
export function runAll(names: readonly string[], options: readonly string[]): boolean {
  const cells = [["", "ours", "ratio", "bar", "held", "last", "change"]];
  let well = true;
  for (const name of names) {
    if (isQuick && NOT_QUICK.has(name)) {
      console.error(`bench: ${name} is left out: npm run bench -- ${name} --quick`);
      continue;
    }
    const before = lastResult(name);
    console.error(`bench: ${name}`);
    const script = path.resolve(import.meta.dirname, "../run.ts");
    const since = performance.now();
    const { status } = spawnSync(process.execPath, [script, name, ...options], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    console.error(`bench: ${name} took ${figure((performance.now() - since) / 1000)} s`);
    well &&= status === 0;
    const now = lastResult(name);
    if (now === undefined || now.machine.at === before?.machine.at) {
      cells.push([`${name}: failed`]);
      continue;
    }
    cells.push(
      ...now.rows.map((row) =>
        line(
          row,
          before?.rows.find(({ id }) => id === row.id),
        ),
      ),
    );
  }
  console.log(columns(cells));
  return well;
}

function line(row: Row, before: Row | undefined): string[] {
  const { id, ours, unit, ratio, bar, held } = row;
  // A ratio stands for what others do to the machine, a figure does not.
  const [now, then] = ratio === null ? [ours, before?.ours] : [ratio, before?.ratio ?? undefined];
  const last = then === undefined ? "" : figure(then);
  return [id, `${figure(ours)} ${unit}`, figure(ratio), bar, heldText(held), last, changeText(now, then)];
}

function heldText(held: boolean | null): string {
  return held === null ? "" : held ? "yes" : "NO";
}

/** Returns the change in percent, where it is more than noise. */
export function changeText(now: number, then: number | undefined): string {
  if (then === undefined || then === 0) return "";
  const share = (now - then) / then;
  return Math.abs(share) < NOISE ? "" : `${share > 0 ? "+" : ""}${Math.round(share * 100)} %`;
}
