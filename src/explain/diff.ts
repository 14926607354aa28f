// Reach that appears or disappears between two states of a cluster.
import type { End } from "./ends.ts";
import type { Judges } from "./judge.ts";
import { PolicyRefusals, type Refusal } from "./matrix/matrix.ts";
import { formatPort, type Port } from "./ports.ts";

export interface Side {
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
  const [old, fresh] = [new Judged(before), new Judged(after)];
  const names = [...new Set([...before.ends, ...after.ends].map(({ name }) => name))].toSorted();
  const byText = new Map(ports.map((port) => [formatPort(port), port]));
  const sorted = [...byText].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const changes: Change[] = [];
  for (const from of names)
    for (const to of names) {
      const [was, is] = [old.pair(from, to), fresh.pair(from, to)];
      if (was === undefined && is === undefined) continue;
      for (const [text, port] of sorted) {
        const [could, can] = [was?.(port) === true, is?.(port) === true];
        if (could === can) continue;
        const refused = can ? old : fresh;
        changes.push({
          from,
          to,
          port: text,
          change: can ? "appears" : "disappears",
          ...refused.why(from, to, port),
        });
      }
    }
  return changes;
}

/** One side, asked by names. */
class Judged {
  readonly #ends: ReadonlyMap<string, End>;
  readonly #refusals: PolicyRefusals;

  constructor({ judges, ends }: Side) {
    this.#ends = new Map(ends.map((end) => [end.name, end]));
    this.#refusals = new PolicyRefusals(judges, ends);
  }

  /** Returns what says whether a port is allowed; undefined where there is no such pair. Two ranges are none. */
  pair(fromName: string, toName: string): ((port: Port) => boolean) | undefined {
    const [from, to] = [this.#ends.get(fromName), this.#ends.get(toName)];
    if (from === undefined || to === undefined) return undefined;
    if (from.type === "address" && to.type === "address") return undefined;
    const pair = this.#refusals.pair(from, to);
    return (port) => this.#refusals.side(pair, port) === undefined;
  }

  /** Returns what refuses, or which end there is not. */
  why(fromName: string, toName: string, port: Port): Pick<Change, "by" | "only"> {
    const only = [fromName, toName].find((name) => !this.#ends.has(name));
    if (only !== undefined) return { only };
    const [from, to] = [this.#ends.get(fromName), this.#ends.get(toName)];
    const by = from && to && this.#refusals.of(this.#refusals.pair(from, to), port);
    return by === undefined ? {} : { by };
  }
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
