// Keeps the memory of a daemon that sleeps small: garbage, what malloc holds unused, and the pages of the program that
// only its start or the last busy minute needed. None of it is done while there is work.

import { setTimeout as sleep } from "node:timers/promises";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { giveBackFreeMemory, giveBackProgramPages, heldBytes } from "../kernel/program-pages.ts";

/** Long beside a burst of pods, in milliseconds. */
const WINDOW_MS = 3000;
const SETTLE_MS = 100;
/** Shares of one processor. */
const BUSY = 0.05;
const QUIET = 0.02;
/** More than V8's young generation, which fills and empties by itself, in MiB. */
const GROWN_MIB = 16;

/** What rest consists of, and what tells that it has come. */
export interface RestParts {
  readonly collectGarbage: () => void;
  readonly giveBackFreeMemory: () => void;
  readonly giveBackProgramPages: () => number;
  /** What the process holds that no file is behind, V8's garbage and what malloc keeps included, in MiB. */
  readonly heldMib: () => number;
  /** CPU time of the process so far, in milliseconds. */
  readonly cpuMs: () => number;
  /** Waits, and does not keep the process alive. */
  readonly pause: (ms: number) => Promise<unknown>;
  readonly logger: Logger;
}

/**
 * Tidies up once after the start and once after every busy time, when a window has passed in which next to nothing
 * happened; a short piece of work that leaves much behind (one large object that changed) counts as a busy time. Settles
 * only where that cannot be done.
 */
export async function tidyAtRest(parts: RestParts): Promise<void> {
  let before = parts.cpuMs();
  let tidy = Number.POSITIVE_INFINITY;
  for (let isDue = true; ; ) {
    await parts.pause(WINDOW_MS);
    const now = parts.cpuMs();
    const share = (now - before) / WINDOW_MS;
    before = now;
    isDue ||= share > BUSY || parts.heldMib() > tidy + GROWN_MIB;
    if (!isDue || share > QUIET) continue;
    try {
      parts.collectGarbage();
      // Native memory of what was collected is freed by tasks that follow.
      await parts.pause(SETTLE_MS);
      parts.giveBackFreeMemory();
      parts.giveBackProgramPages();
    } catch (error) {
      return parts.logger.debug({ error: textOf(error) }, "memory cannot be given back");
    }
    isDue = false;
    tidy = parts.heldMib();
    before = parts.cpuMs();
  }
}

/** The parts of this process. */
export function processAtRest(logger: Logger): RestParts {
  return {
    // bin/trunkline starts daemons such that there is a `gc`.
    collectGarbage: () => globalThis.gc?.(),
    giveBackFreeMemory,
    giveBackProgramPages,
    heldMib: () => heldBytes() / 2 ** 20,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    pause: (ms) => sleep(ms, undefined, { ref: false }),
    logger,
  };
}
