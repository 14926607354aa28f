// Reach that appears or disappears between two states of a cluster.
import type { ClusterFacts } from "../plan/facts.ts";
import type { End } from "./ends.ts";
import type { Judges } from "./judge.ts";
import { type Cell, matrixCells, type Refusal } from "./matrix/matrix.ts";
import type { Port } from "./ports.ts";

export interface Side {
  readonly facts: ClusterFacts;
  readonly judges: Judges;
  readonly ends: readonly End[];
}

export interface Change {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly change: "appears" | "disappears";
  /** What refuses it on the side where it is refused; absent where an end does not exist there. */
  readonly by?: Refusal;
  /** An end that exists on one side only. */
  readonly only?: string;
}

/** Returns what is allowed on one side only, judged by policies alone. */
export function diffReach(before: Side, after: Side, ports: readonly Port[]): Change[] {
  const old = new Map(cellsOf(before, ports).map((cell) => [keyOf(cell), cell]));
  const fresh = new Map(cellsOf(after, ports).map((cell) => [keyOf(cell), cell]));
  const changes: Change[] = [];
  for (const [key, cell] of fresh) {
    if (cell.allowed && old.get(key)?.allowed !== true)
      changes.push(change(cell, "appears", old.get(key), before));
  }
  for (const [key, cell] of old) {
    if (cell.allowed && fresh.get(key)?.allowed !== true)
      changes.push(change(cell, "disappears", fresh.get(key), after));
  }
  return changes.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function cellsOf({ facts, judges, ends }: Side, ports: readonly Port[]): Cell[] {
  return [...matrixCells(facts, judges, { ends, ports, view: "policies" })];
}

function keyOf({ from, to, port }: Pick<Cell, "from" | "to" | "port">): string {
  return `${from} ${to} ${port}`;
}

function change(cell: Cell, what: Change["change"], refused: Cell | undefined, there: Side): Change {
  const { from, to, port } = cell;
  const missing = [from, to].find((name) => !there.ends.some((end) => end.name === name));
  return {
    from,
    to,
    port,
    change: what,
    ...(refused?.by ? { by: refused.by } : {}),
    ...(missing === undefined ? {} : { only: missing }),
  };
}

/** Returns changes as text, one a line. */
export function changesText(changes: readonly Change[]): string {
  if (changes.length === 0) return "no reach appears or disappears\n";
  const lines = changes.map(({ from, to, port, change: what, by, only }) => {
    const reason = only ? ` (${only} is ${what === "appears" ? "new" : "gone"})` : by ? `: ${by.reason}` : "";
    const when = what === "appears" ? "until now denied" : "now denied";
    return `${what === "appears" ? "+" : "-"} ${from} → ${to} ${port}${by && !only ? ` (${when}${reason})` : reason}`;
  });
  const count = (what: Change["change"]) => changes.filter((one) => one.change === what).length;
  return `${lines.join("\n")}\n${count("appears")} appear, ${count("disappears")} disappear\n`;
}
