// ADDs that wait for an address, the longest first.
import type { Holder } from "./pool-book.ts";

interface Waiter {
  readonly holder: Holder;
  readonly since: number;
  /** Hears once what it waits for, if that is known before it is over. */
  told: ((error: Error) => void) | undefined;
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

  /** @param told hears what it waits for where that takes long (`tell`) */
  wait(holder: Holder, told?: (error: Error) => void): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(this.#tooLong()), this.#patienceMs);
      const end = () => {
        clearTimeout(timer);
        this.#all.delete(waiter);
      };
      const waiter: Waiter = {
        holder,
        since: performance.now(),
        told,
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

  reject(error: Error): void {
    for (const waiter of this.#all) waiter.reject(error);
  }

  /** Says to everybody who has waited for at least so long, in milliseconds, what they wait for; they wait on. */
  tell(error: Error, waitedMs: number): void {
    const now = performance.now();
    for (const waiter of this.#all) {
      if (waiter.told === undefined || now - waiter.since < waitedMs) continue;
      waiter.told(error);
      waiter.told = undefined;
    }
  }
}
