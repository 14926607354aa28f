// The lab's one clock: of stamps, of waits that last minutes, of the provider's ages. It runs as the machine's does, and can
// be moved ahead; sockets and packets do not follow it.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { goDuration } from "../api/pod-networking.ts";
import { systemClock } from "../ipam/clock.ts";
import type { Clock } from "../ipam/types.ts";
import { Sleepers } from "./sleepers.ts";

/** For those who were woken to do what fell due, in milliseconds. */
const TURN_MS = 20;

export class LabClock implements Pick<Clock, "now" | "sleep"> {
  readonly #file: string;
  readonly #sleepers = new Sleepers(() => this.now());
  readonly #nappers = new Sleepers(() => this.now());
  #ahead: number;

  /** @param file where it is kept how far it is ahead */
  constructor(file: string) {
    this.#file = file;
    this.#ahead = readAhead(file);
    // Processes of their own follow it from the start.
    if (!existsSync(file)) this.#setAhead(0);
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  get state(): { readonly now: string; readonly ahead: string } {
    const whole = Math.round(this.#ahead / 1000) * 1000;
    return { now: new Date(this.now()).toISOString(), ahead: goDuration(whole) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#sleepers.sleep(ms, signal);
  }

  /**
   * The clock of who tries again every few seconds: when it is moved, however far, they have one turn, at the end. Else an
   * hour would be hundreds of tries one after the other, of which all but the last are none.
   */
  get ofRetries(): Clock {
    return {
      now: () => this.now(),
      steady: () => systemClock.steady() + this.#ahead,
      boot: systemClock.boot,
      sleep: (ms, signal) => this.#nappers.sleep(ms, signal),
    };
  }

  /** Moves the clock; settles once everybody whose time came on the way has had a turn, one after the other. */
  async advance(ms: number): Promise<void> {
    const ahead = this.#ahead + ms;
    for (;;) {
      const [first] = this.#sleepers.due(Date.now() + ahead);
      if (!first) break;
      this.#setAhead(first.at - Date.now());
      first.wake();
      await pause(TURN_MS);
    }
    this.#setAhead(ahead);
    for (const { wake } of this.#nappers.due(this.now())) wake();
    await pause(TURN_MS);
  }

  /** Never back: what was due meanwhile took its time. */
  #setAhead(ms: number): void {
    this.#ahead = Math.max(this.#ahead, ms);
    writeFileSync(`${this.#file}.new`, JSON.stringify({ aheadMs: this.#ahead }), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Returns by how many milliseconds a lab's clock is ahead of the machine's. @param file where the lab keeps it */
export function readAhead(file: string): number {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { aheadMs: number }).aheadMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
