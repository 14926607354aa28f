// How much was asked in random labs, how much of it explain could not tell, and why not.

export interface Counted {
  readonly asked: number;
  readonly unknown: ReadonlyMap<string, number>;
}

export class Tally {
  readonly asked: number;
  /** By what an answer hangs on, names and numbers left out. */
  readonly #unknown = new Map<string, number>();

  constructor({ asked, unknown }: Counted) {
    this.asked = asked;
    for (const [why, count] of unknown) {
      const kind = kindOf(why);
      this.#unknown.set(kind, (this.#unknown.get(kind) ?? 0) + count);
    }
  }

  static sum(tallies: readonly Tally[]): Tally {
    const asked = tallies.reduce((sum, one) => sum + one.asked, 0);
    const unknown = new Map<string, number>();
    for (const one of tallies)
      for (const [kind, count] of one.#unknown) unknown.set(kind, (unknown.get(kind) ?? 0) + count);
    return new Tally({ asked, unknown });
  }

  /** Of all that was asked, how much cannot be told: 0 to 1. */
  get share(): number {
    const count = [...this.#unknown.values()].reduce((sum, one) => sum + one, 0);
    return this.asked === 0 ? 0 : count / this.asked;
  }

  get text(): string {
    return `asked ${this.asked} cannot tell ${(this.share * 100).toFixed(2)} %`;
  }

  /** Returns the commonest reasons, each with its share. */
  reasons(count: number): string[] {
    return [...this.#unknown]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([kind, times]) => `  ${((100 * times) / this.asked).toFixed(2)} % ${kind}`);
  }
}

/** Leaves out what differs from lab to lab. */
function kindOf(why: string): string {
  return why
    .replaceAll(/\b(pod|node|host)\/[\w./-]+/g, "$1/…")
    .replaceAll(/\b\d+\.\d+\.\d+\.\d+(\/\d+)?/g, "…")
    .replaceAll(/\b[0-9a-f]*:[0-9a-f:]+(\/\d+)?/g, "…");
}
