// What is not known is tried both ways. Code that meets something it cannot know asks for a choice and goes on with a
// definite value; it is run once for each way the choices can fall. So no "perhaps" has to be carried through code that
// could lose it: the answers of all runs stand side by side at the end, each with what it took for granted.

/** Holds, does not, or cannot be told. */
export type Maybe = boolean | "perhaps";

export interface World<T> {
  /** undefined: in this world nothing can be told. */
  readonly told: T | undefined;
  /** What was chosen here and is not known, worded. */
  readonly doubts: readonly string[];
}

/** Ends a run: whatever happens there, nothing can be told of it. */
class Untold extends Error {}

export class Choices {
  readonly #given: readonly number[];
  readonly #made: { at: number; of: number }[] = [];
  readonly #doubts = new Set<string>();
  readonly #kept = new Map<object, number>();

  constructor(given: readonly number[]) {
    this.#given = given;
  }

  /** Returns one of 0 to below `count`. `doubt`: what is not known, for people. */
  pick(count: number, doubt: string): number {
    if (count <= 1) return 0;
    this.#doubts.add(doubt);
    const at = this.#given[this.#made.length] ?? 0;
    this.#made.push({ at, of: count });
    return at;
  }

  /** Picks once in a run, and returns the same whenever it is asked about the same thing. */
  keep(thing: object, count: number, doubt: string): number {
    const at = this.#kept.get(thing) ?? this.pick(count, doubt);
    this.#kept.set(thing, at);
    return at;
  }

  settle(answer: Maybe, doubt: string): boolean {
    return answer === "perhaps" ? this.pick(2, doubt) === 0 : answer;
  }

  /** Returns what to throw to end this run: nothing can be told of what comes. */
  untold(doubt: string): Error {
    this.#doubts.add(doubt);
    return new Untold(doubt);
  }

  get doubts(): readonly string[] {
    return [...this.#doubts];
  }

  /** Returns the choices that lead to runs not made yet and that differ from this one at the last place possible. */
  next(): number[] | undefined {
    for (let place = this.#made.length - 1; place >= 0; place--) {
      const { at, of } = this.#made[place]!;
      if (at + 1 < of) return [...this.#made.slice(0, place).map((one) => one.at), at + 1];
    }
    return undefined;
  }
}

/** More worlds than that help nobody: then nothing is told. */
const MOST_WORLDS = 128;

/** Runs `run` once for each way its choices can fall; it must do the same every time for the same choices. */
export function explore<T>(run: (choices: Choices) => T): readonly World<T>[] {
  const worlds: World<T>[] = [];
  for (let given: number[] | undefined = []; given; ) {
    const choices: Choices = new Choices(given);
    let told: T | undefined;
    try {
      told = run(choices);
    } catch (error) {
      if (!(error instanceof Untold)) throw error;
    }
    worlds.push({ told, doubts: choices.doubts });
    given = choices.next();
    if (given && worlds.length >= MOST_WORLDS)
      return [{ told: undefined, doubts: [...new Set(worlds.flatMap(({ doubts }) => doubts))] }, ...worlds];
  }
  return worlds;
}
