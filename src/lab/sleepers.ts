// Who sleeps by a clock that can be moved ahead.

export interface Sleeper {
  /** When its time is, by that clock. */
  readonly at: number;
  readonly wake: () => void;
}

export class Sleepers {
  readonly #all = new Set<Sleeper>();
  readonly #now: () => number;

  /** @param now milliseconds since 1970, by that clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Settles once that many milliseconds are over, at once when `signal` aborts, or when it is woken. Never rejects. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const woken = Promise.withResolvers<void>();
    const sleeper: Sleeper = { at: this.#now() + ms, wake: () => woken.resolve() };
    const timer = setTimeout(sleeper.wake, ms);
    this.#all.add(sleeper);
    signal?.addEventListener("abort", sleeper.wake, { once: true });
    try {
      if (!signal?.aborted) await woken.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", sleeper.wake);
      this.#all.delete(sleeper);
    }
  }

  /** Returns those whose time has come by then, the earliest first. */
  due(now: number): readonly Sleeper[] {
    return [...this.#all].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at);
  }
}
