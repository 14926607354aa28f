// What a bench reports.

export interface Row {
  /** Stable. */
  readonly id: string;
  readonly what: string;
  readonly ours: number;
  /** The same of what we compare with; null where there is nothing. */
  readonly peer: number | null;
  readonly unit: string;
  /** ours / peer. */
  readonly ratio: number | null;
  /** What must hold, in words: "ratio <= 0.5". Empty: for information. */
  readonly bar: string;
  readonly held: boolean | null;
}

/** Returns the rows, or undefined if another process has reported them. */
export type Bench = (args: readonly string[]) => Promise<readonly Row[] | undefined>;

interface Bar {
  readonly of: "ratio" | "ours";
  readonly at: "most" | "least";
  readonly value: number;
}

/** Makes a row and judges it. */
export function row(
  id: string,
  what: string,
  unit: string,
  ours: number,
  peer: number | null = null,
  bar?: Bar,
): Row {
  const ratio = peer === null ? null : ours / peer;
  const judged = bar?.of === "ratio" ? ratio : ours;
  return {
    id,
    what,
    ours,
    peer,
    unit,
    ratio,
    bar: bar === undefined ? "" : `${bar.of} ${bar.at === "most" ? "<=" : ">="} ${bar.value}`,
    held:
      bar === undefined || judged === null
        ? null
        : bar.at === "most"
          ? judged <= bar.value
          : judged >= bar.value,
  };
}

/** Returns the value below which that share (0 to 1) of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
