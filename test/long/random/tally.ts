// How much was asked in random labs, how much of it explain could not tell, and why not. What was drawn because nobody can
// tell it is counted by itself.
import { isMeant } from "./more/unknowable.ts";

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

  /** Of all that was asked, how much cannot be told but by what was meant to be unknown: 0 to 1. */
  get share(): number {
    return this.#share((kind) => !isMeant(kind));
  }

  /** The same of what was meant to be. */
  get meant(): number {
    return this.#share(isMeant);
  }

  get text(): string {
    return `asked ${this.asked} cannot tell ${percent(this.share)}, and as it must not ${percent(this.meant)}`;
  }

  #share(isCounted: (kind: string) => boolean): number {
    const counts = [...this.#unknown].flatMap(([kind, count]) => (isCounted(kind) ? [count] : []));
    return this.asked === 0 ? 0 : counts.reduce((sum, one) => sum + one, 0) / this.asked;
  }

  /** Returns the commonest reasons, each with its share. */
  reasons(count: number): string[] {
    return [...this.#unknown]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([kind, times]) => `  ${((100 * times) / this.asked).toFixed(2)} % ${kind}`);
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** Leaves out what differs from lab to lab. */
function kindOf(why: string): string {
  return why
    .replaceAll(/\b(pod|node|host)\/[\w./-]+/g, "$1/…")
    .replaceAll(/\b\d+\.\d+\.\d+\.\d+(\/\d+)?/g, "…")
    .replaceAll(/\b[0-9a-f]*:[0-9a-f:]+(\/\d+)?/g, "…");
}
