import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "./types.ts";

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await pause(ms, undefined, { ...(signal ? { signal } : {}), ref: true });
    } catch (error) {
      // An aborted sleep is over, which is all that its caller asked for.
      if (!signal?.aborted) throw error;
    }
  },
};
