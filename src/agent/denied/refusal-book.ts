// The refusals of the last while, one entry a flow and minute, in a memory that is bounded.
import type { Refusal } from "../../explain/denied/refusal.ts";

/** Packets of a flow are one entry for that long, in ms: retries of one connection, not those of tomorrow. */
const TOGETHER_MS = 60_000;
const KEPT = 1000;

export interface BookedRefusal extends Refusal {
  /** Later ones have higher numbers. */
  readonly number: number;
}

interface Entry {
  readonly refusal: BookedRefusal;
  readonly until: number;
}

export class RefusalBook {
  readonly #kept: number;
  /** By flow, in the order in which they began. */
  readonly #entries = new Map<string, Entry>();
  readonly #closed: BookedRefusal[] = [];
  #last = 0;

  constructor(kept = KEPT) {
    this.#kept = kept;
  }

  /** Number of the entry that came last; 0 where there was none. */
  get last(): number {
    return this.#last;
  }

  /**
   * Notes a packet of a flow.
   * @param key equal for packets that are one entry
   * @param now milliseconds of a clock that never goes back
   * @param time RFC 3339
   * @returns whether it began an entry, which `make` made
   */
  note(key: string, now: number, time: string, make: () => Refusal): BookedRefusal | undefined {
    const known = this.#entries.get(key);
    if (known !== undefined && now < known.until) {
      known.refusal.packets++;
      known.refusal.last = time;
      return undefined;
    }
    if (known !== undefined) this.#close(key, known);
    const refusal = { ...make(), number: ++this.#last };
    this.#entries.set(key, { refusal, until: now + TOGETHER_MS });
    if (this.#entries.size > this.#kept) {
      const [oldest] = this.#entries;
      if (oldest !== undefined) this.#close(...oldest);
    }
    return refusal;
  }

  /** Returns the entries after that number, the oldest first. */
  after(number: number): BookedRefusal[] {
    const open = [...this.#entries.values()].map(({ refusal }) => refusal);
    return [...this.#closed, ...open]
      .filter((refusal) => refusal.number > number)
      .toSorted((a, b) => a.number - b.number)
      .slice(-this.#kept);
  }

  #close(key: string, { refusal }: Entry): void {
    this.#entries.delete(key);
    this.#closed.push(refusal);
    if (this.#closed.length > this.#kept) this.#closed.splice(0, this.#closed.length - this.#kept);
  }
}
