// Work by key, some keys at a time, each again when it asks for it; the waits between tries go by the given clock.
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

export interface Sleeper {
  /** Settles after that many milliseconds, or once `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface WorkOptions {
  /** Returns after how many milliseconds the key is to be looked at again; undefined: when somebody asks for it. */
  readonly settle: (key: string) => Promise<number | undefined>;
  readonly clock: Sleeper;
  readonly logger: Logger;
  /** Keys at a time. */
  readonly width: number;
}

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

export class Work {
  readonly #options: WorkOptions;
  readonly #ready = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #later = new Map<string, AbortController>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  /** Asks for a key to be looked at as soon as can be. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#later.get(key)?.abort();
    this.#later.delete(key);
    this.#ready.add(key);
    this.#next();
  }

  /** Starts nothing more; settles when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    for (const later of this.#later.values()) later.abort();
    await Promise.all(this.#running.values());
  }

  #next(): void {
    for (const key of this.#ready) {
      if (this.#running.size >= this.#options.width || this.#stopped) return;
      if (this.#running.has(key)) continue;
      this.#ready.delete(key);
      const run = this.#run(key).finally(() => {
        this.#running.delete(key);
        this.#next();
      });
      this.#running.set(key, run);
    }
  }

  async #run(key: string): Promise<void> {
    let again: number | undefined;
    try {
      again = await this.#options.settle(key);
      this.#failures.delete(key);
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      again = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
      if (!this.#stopped)
        this.#options.logger.warn({ key, error: textOf(error), againMs: again }, "will be tried again");
    }
    if (again !== undefined && !this.#stopped && !this.#ready.has(key)) this.#addLater(key, again);
  }

  #addLater(key: string, ms: number): void {
    const later = new AbortController();
    this.#later.set(key, later);
    void this.#options.clock.sleep(ms, later.signal).then(() => {
      if (!later.signal.aborted) this.add(key);
    });
  }
}
