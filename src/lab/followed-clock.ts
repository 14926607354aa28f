// A lab's clock in a process of its own: it follows the file in which the lab keeps how far its clock is ahead.
import { type FSWatcher, watch } from "node:fs";
import { systemClock } from "../ipam/clock.ts";
import type { Clock } from "../ipam/types.ts";
import { readAhead } from "./clock.ts";
import { Sleepers } from "./sleepers.ts";

/** The lab puts another file in the place of the old one; in between there may be none to watch, in milliseconds. */
const AGAIN_MS = 50;

export class FollowedClock implements Clock {
  readonly #file: string;
  readonly #sleepers = new Sleepers(() => this.now());
  #ahead = 0;
  #watcher: FSWatcher | undefined;
  #isClosed = false;

  /** @param file where the lab keeps how far it is ahead; it is followed until `close` */
  constructor(file: string) {
    this.#file = file;
    this.#follow();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  /** As far ahead as `now`: what rests must be over when the lab's clock says so. */
  steady(): number {
    return systemClock.steady() + this.#ahead;
  }

  get boot(): string {
    return systemClock.boot;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#sleepers.sleep(ms, signal);
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
  }

  #follow(): void {
    if (this.#isClosed) return;
    this.#watcher?.close();
    try {
      // First watched, then read: what is written in between is seen.
      this.#watcher = watch(this.#file, { persistent: false }, () => this.#follow());
      this.#watcher.on("error", () => this.#followLater());
      this.#read();
    } catch {
      this.#followLater();
    }
  }

  #followLater(): void {
    setTimeout(() => this.#follow(), AGAIN_MS).unref();
  }

  #read(): void {
    // Never back, as the lab's own.
    this.#ahead = Math.max(this.#ahead, readAhead(this.#file));
    for (const { wake } of this.#sleepers.due(this.now())) wake();
  }
}
