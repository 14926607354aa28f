// Work by key: one job at a time, a key that is asked for again while it waits is done once, and a key that was just
// done rests for a moment, so that a burst of events costs a few runs and not one each.

import { textOf } from "../base/errors.ts";
import { type Logger, silent } from "../base/log.ts";

export interface KeyedQueueOptions {
  readonly work: (key: string) => Promise<void>;
  /** Shortest time between two starts of one key, in milliseconds; longer (at most LONGEST_REST_MS) where its work takes long. */
  readonly restMs?: number;
  /** First pause after a failure and the longest one, in milliseconds; default 100 and 5000. */
  readonly backoffMs?: readonly [first: number, longest: number];
  /** Jobs at a time, of different keys; default 1. */
  readonly width?: number;
  /** How what is to be done later is waited for; default: by the machine's clock. */
  readonly sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  readonly logger?: Logger;
}

interface KeyState {
  /** Takes back that it is to be ready later. */
  cancel?: (() => void) | undefined;
  /** It waits in the line of ready keys. */
  queued?: boolean;
  running?: boolean;
  /** Nobody asks for it any more: its state goes when its run has ended. */
  forgotten?: boolean;
  again?: boolean;
  failures: number;
  lastStart: number;
  /** How long its last run took. */
  tookMs: number;
}

/** What is done again and again takes at most one in so many milliseconds. */
const SHARE = 10;
const LONGEST_REST_MS = 250;

export class KeyedQueue {
  readonly #options: KeyedQueueOptions;
  readonly #logger: Logger;
  readonly #keys = new Map<string, KeyState>();
  readonly #ready: string[] = [];
  #running = 0;
  #stopped = false;
  #idle: (() => void) | undefined;

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silent;
  }

  /** Number of keys that it keeps something of. */
  get size(): number {
    return this.#keys.size;
  }

  /** Asks for a key to be done, soon or after `delayMs`. */
  add(key: string, delayMs = 0): void {
    if (this.#stopped) return;
    const state = this.#keys.get(key) ?? { failures: 0, lastStart: -Infinity, tookMs: 0 };
    this.#keys.set(key, state);
    state.forgotten = false;
    if (state.running) {
      state.again = true;
      return;
    }
    if (state.queued) return;
    if (state.cancel) {
      if (delayMs > 0) return;
      state.cancel();
    }
    const rest = state.lastStart + this.#restOf(state) - performance.now();
    state.cancel = this.#later(Math.max(delayMs, rest, 0), () => {
      state.cancel = undefined;
      state.queued = true;
      this.#ready.push(key);
      this.#next();
    });
  }

  #restOf({ tookMs }: KeyState): number {
    const { restMs } = this.#options;
    if (restMs === undefined) return 0;
    return Math.max(restMs, Math.min(SHARE * tookMs, LONGEST_REST_MS));
  }

  #later(ms: number, work: () => void): () => void {
    const { sleep } = this.#options;
    if (!sleep || ms <= 0) {
      const timer = setTimeout(work, ms);
      return () => clearTimeout(timer);
    }
    const cancelled = new AbortController();
    void sleep(ms, cancelled.signal).then(() => {
      if (!cancelled.signal.aborted) work();
    });
    return () => cancelled.abort();
  }

  /** Forgets a key that will not come back; one that runs is forgotten once it has succeeded. */
  forget(key: string): void {
    const state = this.#keys.get(key);
    if (!state) return;
    if (state.running) {
      state.forgotten = true;
      return;
    }
    state.cancel?.();
    this.#keys.delete(key);
  }

  /** Starts nothing more, and settles when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const state of this.#keys.values()) state.cancel?.();
    this.#ready.length = 0;
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #next(): void {
    while (this.#running < (this.#options.width ?? 1)) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const state = this.#keys.get(key);
    // A key that was forgotten and asked for anew may stand in the line twice.
    if (!state?.queued || state.running) return;
    this.#running++;
    state.queued = false;
    state.running = true;
    state.again = false;
    state.lastStart = performance.now();
    let delay: number | undefined;
    try {
      await this.#options.work(key);
      state.failures = 0;
    } catch (error) {
      const [first, longest] = this.#options.backoffMs ?? [100, 5000];
      delay = Math.min(first * 2 ** state.failures++, longest);
      this.#logger.warn({ key, error: textOf(error), retryMs: delay }, "will be tried again");
    }
    state.tookMs = performance.now() - state.lastStart;
    state.running = false;
    this.#running--;
    this.#ended(key, state, delay);
    if (this.#stopped && this.#running === 0) this.#idle?.();
    this.#next();
  }

  /** What becomes of a key after its run: again, or later, or no state is kept of it. */
  #ended(key: string, state: KeyState, delay: number | undefined): void {
    const { forgotten } = state;
    if (delay !== undefined) {
      this.add(key, delay);
      state.forgotten = forgotten ?? false;
    } else if (state.again) {
      this.add(key);
    } else if (forgotten || this.#options.restMs === undefined) {
      // The last start matters to keys that rest only; keys such as pods never come back.
      this.#keys.delete(key);
    }
  }
}
