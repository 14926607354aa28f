// ADDs that wait for an address, the longest first.
import type { Holder } from "./pool-book.ts";

interface Waiter {
  readonly holder: Holder;
  readonly since: number;
  readonly resolve: (address: string) => void;
  readonly reject: (error: Error) => void;
}

export class PoolWaiters {
  readonly #all = new Set<Waiter>();
  readonly #patienceMs: number;
  readonly #tooLong: () => Error;

  /**
   * @param patienceMs how long an ADD waits; sockets do not follow a clock that is moved
   * @param tooLong what is said to who has waited for so long
   */
  constructor(patienceMs: number, tooLong: () => Error) {
    this.#patienceMs = patienceMs;
    this.#tooLong = tooLong;
  }

  get holders(): readonly Holder[] {
    return [...this.#all].map(({ holder }) => holder);
  }

  wait(holder: Holder): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(this.#tooLong()), this.#patienceMs);
      const end = () => {
        clearTimeout(timer);
        this.#all.delete(waiter);
      };
      const waiter: Waiter = {
        holder,
        since: performance.now(),
        resolve: (address) => {
          end();
          resolve(address);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      this.#all.add(waiter);
    });
  }

  /** Gives addresses to those who wait, until there is none. */
  serve(take: (holder: Holder) => string | undefined): void {
    for (const waiter of this.#all) {
      const address = take(waiter.holder);
      if (address === undefined) return;
      waiter.resolve(address);
    }
  }

  /** Tells everybody who has waited for at least so long, in milliseconds. */
  reject(error: Error, waitedMs = 0): void {
    const now = performance.now();
    for (const waiter of this.#all) if (now - waiter.since >= waitedMs) waiter.reject(error);
  }
}
