import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "./types.ts";

let bootId: string | undefined;

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Without it no earlier process's steady time can be compared with ours: as after a restart of the machine.
    return randomUUID();
  }
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // CLOCK_MONOTONIC: the same for every process of one run of the machine. It stands still while the machine is suspended,
  // as pods do.
  steady: () => Number(process.hrtime.bigint() / 1_000_000n),
  get boot() {
    bootId ??= readBootId();
    return bootId;
  },
  async sleep(ms, signal) {
    try {
      await pause(ms, undefined, { ...(signal ? { signal } : {}), ref: true });
    } catch (error) {
      // An aborted sleep is over, which is all that its caller asked for.
      if (!signal?.aborted) throw error;
    }
  },
};
