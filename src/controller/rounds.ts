// Looks at objects that follow their changes: a little after the first of them, since they seldom come alone, one look at
// a time, and again after a failure.
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";

export interface RoundsOptions {
  /** Looks once; ends soon after `signal` aborts. What it throws is logged. */
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** How long to gather changes, ms. */
  readonly gatherMs: number;
  /** How long after a failure to look again, ms; default 2000. */
  readonly againMs?: number;
  /** For how long stop() waits for a look that is under way, ms; default 5000. */
  readonly patienceMs?: number;
  readonly logger: Logger;
  /** What could not be done, for the log. */
  readonly failure: string;
}

export class Rounds {
  readonly #options: RoundsOptions;
  readonly #turns = new Turns();
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Asks for a look; one that is under way is followed by another. */
  soon(): void {
    this.#after(this.#options.gatherMs);
  }

  /** Begins no look more; settles when the one under way has ended, or has had its time. Never rejects. */
  async stop(): Promise<void> {
    const { patienceMs = 5000, logger, failure } = this.#options;
    this.#over.abort();
    clearTimeout(this.#timer);
    if (!(await this.#turns.settled(patienceMs)))
      logger.warn({ patienceMs }, `${failure}: they are still being written, and not waited for`);
  }

  #after(ms: number): void {
    if (this.#over.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#turns.run(() => this.#look());
    }, ms);
  }

  async #look(): Promise<void> {
    const { look, againMs = 2000, logger, failure } = this.#options;
    if (this.#over.signal.aborted) return;
    try {
      await look(this.#over.signal);
    } catch (error) {
      if (this.#over.signal.aborted) return;
      logger.warn({ error: textOf(error) }, failure);
      this.#after(againMs);
    }
  }
}
