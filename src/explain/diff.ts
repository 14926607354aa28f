// Reach that appears or disappears between two states of a cluster.
import type { ClusterFacts } from "../plan/facts.ts";
import type { End } from "./ends.ts";
import type { Judges } from "./judge.ts";
import { type Cell, matrixCells, type Refusal } from "./matrix/matrix.ts";
import { formatPort, type Port } from "./ports.ts";

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
  const order = new Order([...before.ends, ...after.ends], ports);
  const changes: Change[] = [];
  for (const [old, fresh] of order.together(cellsOf(before, order), cellsOf(after, order))) {
    if (fresh?.allowed && old?.allowed !== true) changes.push(change(fresh, "appears", old, before));
    else if (old?.allowed && fresh?.allowed !== true) changes.push(change(old, "disappears", fresh, after));
  }
  return changes;
}

function cellsOf({ facts, judges, ends }: Side, order: Order): Generator<Cell> {
  return matrixCells(facts, judges, { ends: order.sorted(ends), ports: order.ports, view: "policies" });
}

/** One order for both sides, so that they can be read side by side: whole matrices of large clusters exceed memory. */
class Order {
  readonly ports: readonly Port[];
  readonly #ends: ReadonlyMap<string, number>;
  readonly #ports: ReadonlyMap<string, number>;

  constructor(ends: readonly End[], ports: readonly Port[]) {
    const named = new Map(ports.map((port) => [formatPort(port), port]));
    const texts = [...named.keys()].toSorted();
    this.ports = texts.flatMap((text) => named.get(text) ?? []);
    this.#ports = new Map(texts.map((text, rank) => [text, rank]));
    const names = [...new Set(ends.map(({ name }) => name))].toSorted();
    this.#ends = new Map(names.map((name, rank) => [name, rank]));
  }

  sorted(ends: readonly End[]): readonly End[] {
    return ends.toSorted((a, b) => this.#end(a.name) - this.#end(b.name));
  }

  /** Gives equal cells in pairs, and those of one side alone. Both come in this order. */
  *together(a: Iterator<Cell>, b: Iterator<Cell>): Generator<readonly [Cell | undefined, Cell | undefined]> {
    let [left, right] = [a.next(), b.next()];
    while (!left.done || !right.done) {
      const way = left.done ? 1 : right.done ? -1 : this.#compare(left.value, right.value);
      yield [way <= 0 ? (left.value as Cell) : undefined, way >= 0 ? (right.value as Cell) : undefined];
      if (way <= 0) left = a.next();
      if (way >= 0) right = b.next();
    }
  }

  #compare(a: Cell, b: Cell): number {
    return (
      this.#end(a.from) - this.#end(b.from) ||
      this.#end(a.to) - this.#end(b.to) ||
      (this.#ports.get(a.port) ?? 0) - (this.#ports.get(b.port) ?? 0)
    );
  }

  #end(name: string): number {
    return this.#ends.get(name) ?? 0;
  }
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
