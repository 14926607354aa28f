// Where an ADD's time goes: what follows each other, which adds up to the whole, and what runs beside it.

/** In the order in which they come. */
export const addParts = ["request", "journal", "addresses", "link", "ends", "rules", "answer"] as const;
export type AddPart = (typeof addParts)[number];

export class AddParts {
  /** Milliseconds. */
  readonly spent = new Map<AddPart, number>();
  /** Milliseconds from the moment at which the rules were asked for until they were in force; most of them beside the wire. */
  rulesBeside: number | undefined;
  readonly #began = performance.now();
  #last = this.#began;

  /** A part is over; what comes is of the next one. A part may come twice. */
  ended(part: AddPart): void {
    const now = performance.now();
    this.spent.set(part, (this.spent.get(part) ?? 0) + now - this.#last);
    this.#last = now;
  }

  /** Milliseconds since the request came. */
  get whole(): number {
    return performance.now() - this.#began;
  }

  /** For a line of the log: milliseconds; `began` is of CLOCK_MONOTONIC, for who knows when the plugin was started. */
  facts(): Readonly<Record<string, number>> {
    const rounded = (ms: number) => Math.round(ms * 1000) / 1000;
    const parts = Object.fromEntries([...this.spent].map(([part, ms]) => [part, rounded(ms)]));
    const began = rounded(Number(process.hrtime.bigint()) / 1e6 - this.whole);
    return {
      began,
      ...parts,
      ...(this.rulesBeside !== undefined && { rulesBeside: rounded(this.rulesBeside) }),
    };
  }
}
