// Pods come in swarms, and each call to the provider is for all that have come: how long to wait for the rest of a swarm, and
// what a burst of them says about those that will follow.

/** So long after the last one, and at most so long after the first, in milliseconds. */
const SWARM_MS = [100, 500] as const;
/** The same where an interface is to be made, which takes longer, costs three calls, and has room for many. */
const NEW_SWARM_MS = [250, 1000] as const;

/** Who has just asked for addresses is likely to need more: for so long it asks for as many again, and gives none back. */
const BURST_MS = 10_000;

export class Swarm {
  readonly #now: () => number;
  /** How many pods wait for addresses that nobody has asked for yet, and when the first and the last of them came. */
  #seen: { readonly short: number; readonly since: number; readonly at: number } | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Returns for how long more pods may be on their way, in milliseconds; 0 or less: not.
   * @param hasRoom no interface is to be made for them
   */
  leftMs(short: number, hasRoom: boolean): number {
    const [afterLast, afterFirst] = hasRoom ? SWARM_MS : NEW_SWARM_MS;
    const now = this.#now();
    const before = this.#seen ?? { short: 0, since: now, at: now };
    const { since, at } = short > before.short ? { since: before.since, at: now } : before;
    const leftMs = Math.min(at + afterLast, since + afterFirst) - now;
    this.#seen = leftMs > 0 ? { short: Math.max(short, before.short), since, at } : undefined;
    return leftMs;
  }
}

export class Burst {
  readonly #now: () => number;
  /** How many addresses have come without a pause of that length, when the last of them did, and how many were to be kept. */
  #seen = { got: 0, calls: 0, at: Number.NEGATIVE_INFINITY, most: 0 };

  constructor(now: () => number) {
    this.#now = now;
  }

  get got(): number {
    return this.#seen.got;
  }

  get calls(): number {
    return this.#seen.calls;
  }

  /** @param most how many addresses are to be kept at the most */
  note(most: number, got: number): void {
    const before = this.leftMs(most) > 0 ? this.#seen : { got: 0, calls: 0 };
    this.#seen = { got: before.got + got, calls: before.calls + 1, at: this.#now(), most };
  }

  /** Returns for how long pods are taken to keep coming, in milliseconds; 0: not. Who changes the most means it at once. */
  leftMs(most: number): number {
    if (this.#seen.most !== most) return 0;
    return Math.max(0, this.#seen.at + BURST_MS - this.#now());
  }
}
