// Reach that appears or disappears between two states of a cluster.
import type { ClusterFacts } from "../../plan/facts.ts";
import type { End } from "../ends.ts";
import type { Judges, Pair } from "../judges/judge.ts";
import { PolicyRefusals, type Refusal } from "../matrix/matrix.ts";
import { formatPort, type Port } from "../ports.ts";

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

/** Reach of which it cannot be told whether it is there, on a side at least, so that it may change. */
export interface Unclear {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** Whether it is allowed; null: cannot tell. Absent where an end does not exist there. */
  readonly before?: boolean | null;
  readonly after?: boolean | null;
  /** What it hangs on, on the side where it cannot be told. */
  readonly by?: Refusal;
}

export interface Difference {
  readonly changes: readonly Change[];
  readonly unclear: readonly Unclear[];
}

/** Returns what is allowed on one side only, judged by policies alone. What hangs on both sides on the same is no change. */
export function diffReach(before: Side, after: Side, ports: readonly Port[]): Difference {
  const [old, fresh] = [new Judged(before), new Judged(after)];
  const names = [...new Set([...before.ends, ...after.ends].map(({ name }) => name))].toSorted();
  const byText = new Map(ports.map((port) => [formatPort(port), port]));
  const sorted = [...byText].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const changes: Change[] = [];
  const unclear: Unclear[] = [];
  for (const [from, to, text] of differing(old, fresh, names, sorted)) {
    const port = byText.get(text) as Port;
    const [could, can] = [old.allows(from, to, port), fresh.allows(from, to, port)];
    if (could === null || can === null) {
      const [by, then] = [fresh.against(from, to, port), old.against(from, to, port)];
      const known = {
        ...(could !== undefined && { before: could }),
        ...(can !== undefined && { after: can }),
      };
      const what = can === null ? by : then;
      unclear.push({ from, to, port: text, ...known, ...(what && { by: what }) });
      continue;
    }
    const refused = can ? old : fresh;
    const change = can ? "appears" : "disappears";
    changes.push({ from, to, port: text, change, ...refused.why(from, to, port) });
  }
  return { changes, unclear };
}

/** Returns the cells whose answers differ, or may, in the order of senders, targets and ports. */
function differing(
  old: Judged,
  fresh: Judged,
  names: readonly string[],
  ports: readonly (readonly [string, Port])[],
): (readonly [from: string, to: string, port: string])[] {
  const found: (readonly [string, string, string])[] = [];
  for (const from of names) {
    // Of one sender all targets at once.
    const rows = ports.map(
      ([text, port]) => [text, port, old.outOf(from, port), fresh.outOf(from, port)] as const,
    );
    for (const to of names)
      for (const [text, port, could, can] of rows) {
        const [was, is] = [could(to), can(to)];
        // Where there is no such pair nothing is allowed; what hangs on the same on both sides is no change.
        const isSame =
          was === null && is === null
            ? old.hangsOn(from, to, port) === fresh.hangsOn(from, to, port)
            : orNot(was) === orNot(is);
        if (!isSame) found.push([from, to, text]);
      }
  }
  return found;
}

function orNot(answer: boolean | null | undefined): boolean | null {
  return answer === undefined ? false : answer;
}

/** One side, asked by names. */
class Judged {
  readonly #ends: ReadonlyMap<string, End>;
  readonly #refusals: PolicyRefusals;

  constructor({ facts, judges, ends }: Side) {
    this.#ends = new Map(ends.map((end) => [end.name, end]));
    this.#refusals = new PolicyRefusals(facts, judges, ends);
  }

  /** Returns whether a port is allowed; undefined where there is no such pair. */
  allows(fromName: string, toName: string, port: Port): boolean | null | undefined {
    const pair = this.#pair(this.#ends.get(fromName), this.#ends.get(toName));
    return pair && this.#refusals.allows(pair, port);
  }

  /** The same of one sender, for any target. */
  outOf(fromName: string, port: Port): (toName: string) => boolean | null | undefined {
    const from = this.#ends.get(fromName);
    if (from === undefined) return () => undefined;
    const known = this.#refusals.outOf(from, port);
    return (toName) => {
      const to = this.#ends.get(toName);
      if (to === undefined || (from.type === "address" && to.type === "address")) return undefined;
      const answer = known(to);
      return answer === undefined ? this.allows(fromName, toName, port) : answer;
    };
  }

  hangsOn(fromName: string, toName: string, port: Port): string | undefined {
    const pair = this.#pair(this.#ends.get(fromName), this.#ends.get(toName));
    return pair && this.#refusals.hangsOn(pair, port);
  }

  /** Two ranges are no pair. */
  #pair(from: End | undefined, to: End | undefined): Pair | undefined {
    if (from === undefined || to === undefined) return undefined;
    return from.type === "address" && to.type === "address" ? undefined : this.#refusals.pair(from, to);
  }

  /** Returns what refuses, or which end there is not. */
  why(fromName: string, toName: string, port: Port): Pick<Change, "by" | "only"> {
    const only = [fromName, toName].find((name) => !this.#ends.has(name));
    if (only !== undefined) return { only };
    const by = this.against(fromName, toName, port);
    return by === undefined ? {} : { by };
  }

  against(fromName: string, toName: string, port: Port): Refusal | undefined {
    const [from, to] = [this.#ends.get(fromName), this.#ends.get(toName)];
    return from && to && this.#refusals.of(this.#refusals.pair(from, to), port)?.by;
  }
}

/** Returns changes as text, one a line. */
export function changesText({ changes, unclear }: Difference): string {
  if (changes.length + unclear.length === 0) return "no reach appears or disappears\n";
  const lines = changes.map(({ from, to, port, change: what, by, only }) => {
    const reason = only ? ` (${only} is ${what === "appears" ? "new" : "gone"})` : by ? `: ${by.reason}` : "";
    const when = what === "appears" ? "until now denied" : "now denied";
    return `${what === "appears" ? "+" : "-"} ${from} → ${to} ${port}${by && !only ? ` (${when}${reason})` : reason}`;
  });
  const doubts = unclear.map(
    ({ from, to, port, by }) => `? ${from} → ${to} ${port} (cannot tell: ${by?.reason})`,
  );
  const count = (what: Change["change"]) => changes.filter((one) => one.change === what).length;
  const more = unclear.length > 0 ? `, ${unclear.length} cannot be told` : "";
  return `${[...lines, ...doubts].join("\n")}\n${count("appears")} appear, ${count("disappears")} disappear${more}\n`;
}
