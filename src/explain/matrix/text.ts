// A matrix as people read it: a mark for each cell, and on request a line for every refusal.
import type { ClusterFacts } from "../../plan/facts.ts";
import { getOrMake } from "../../plan/policy/node/selector-index.ts";
import type { Judges } from "../judges/judge.ts";
import { whyNot } from "./formats.ts";
import { type Against, type Column, isPair, type MatrixQuestion, matrixOf } from "./matrix.ts";

const [blank = 0, plus = 0, dot = 0, doubt = 0] = Buffer.from(" +.?", "latin1");

/** Gives the text of a matrix in pieces; `why` adds a line for every refusal. */
export function* matrixText(
  facts: ClusterFacts,
  judges: Judges,
  question: MatrixQuestion,
  why = false,
): Generator<string> {
  const { columns, rows } = matrixOf(facts, judges, question);
  const asked = columns.filter(({ ports }) => ports.length > 0);
  const grid = new Grid(question, asked);
  const refusals: string[] = [];
  for (const { from, lets, against } of rows) {
    for (const [column, { to, ports }] of asked.entries()) {
      if (!isPair(from, to)) continue;
      for (const port of ports) {
        const quick = lets(to, port);
        const known = quick === undefined || (why && quick !== true) ? against(to, port) : undefined;
        const allowed = quick === undefined ? known === undefined || known.allowed : quick;
        grid.mark(port.text, from.name, column, allowed);
        if (known && why) refusals.push(refusalLine(from.name, to.name, port.text, known));
      }
    }
  }
  yield* grid.text();
  yield* refusals;
}

function refusalLine(from: string, to: string, port: string, { allowed, by }: Against): string {
  return `${from} → ${to} ${port}: ${by.by} ${whyNot({ allowed, by })}\n`;
}

/** Of a cell no more than its mark is kept, where it will be printed: a large cluster has millions. */
class Grid {
  readonly #columns: readonly Column[];
  /** In characters: of the senders' names, and of a column. */
  readonly #width: number;
  readonly #gap: number;
  /** By port and sender: its line. Of a target that has no such port the place stays empty. */
  readonly #lines = new Map<string, Map<string, Buffer>>();
  readonly #count = { all: 0, open: 0, unknown: 0 };

  constructor({ ends }: MatrixQuestion, columns: readonly Column[]) {
    this.#columns = columns;
    this.#width = Math.max(...ends.map(({ name }) => name.length));
    this.#gap = String(columns.length).length + 1;
  }

  mark(port: string, from: string, column: number, allowed: boolean | null): void {
    const ofPort = getOrMake(this.#lines, port, () => new Map<string, Buffer>());
    const line = getOrMake(ofPort, from, () => Buffer.alloc(this.#columns.length * this.#gap, blank));
    line[(column + 1) * this.#gap - 1] = allowed === null ? doubt : allowed ? plus : dot;
    this.#count.all++;
    if (allowed) this.#count.open++;
    if (allowed === null) this.#count.unknown++;
  }

  *text(): Generator<string> {
    const { all, open, unknown } = this.#count;
    if (all === 0) {
      yield "nothing to compare: no pods, workloads or hosts\n";
      return;
    }
    const [width, gap] = [this.#width, this.#gap];
    const sign = unknown > 0 ? "   ? cannot tell" : "";
    yield `+ allowed   . denied${sign}   rows: from   columns: to\n`;
    const heading = this.#columns.map((_, index) => String(index + 1).padStart(gap)).join("");
    for (const [port, ofPort] of this.#lines) {
      yield `\n${port}\n${" ".repeat(width)}${heading}\n`;
      for (const [from, line] of ofPort) yield `${from.padEnd(width)}${line.toString("latin1").trimEnd()}\n`;
    }
    yield "\n";
    for (const [index, { to }] of this.#columns.entries())
      yield `${String(index + 1).padStart(gap - 1)}  ${to.name}\n`;
    yield `\n${open} of ${all} allowed${unknown > 0 ? `, ${unknown} cannot be told` : ""}\n`;
  }
}
