import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabClock } from "./clock.ts";

const HOUR_MS = 3_600_000;

describe("the lab's clock", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "lab-clock-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const open = () => new LabClock(path.join(folder, "clock.json"));

  it("wakes who sleeps in the order in which their time comes, and as often as it comes", async () => {
    const clock = open();
    const woken: string[] = [];
    const ending = new AbortController();
    const every = async (name: string, ms: number) => {
      while (!ending.signal.aborted) {
        await clock.sleep(ms, ending.signal);
        if (!ending.signal.aborted) woken.push(name);
      }
    };
    const all = [every("long", HOUR_MS), every("short", HOUR_MS / 2 - 1000), every("never", 3 * HOUR_MS)];
    await clock.advance(HOUR_MS + 1000);
    expect(woken).toEqual(["short", "short", "long"]);
    ending.abort();
    await Promise.all(all);
  });

  it("goes on from where it was, and never back", async () => {
    const first = open();
    await first.advance(HOUR_MS);
    const again = open();
    const machine = Date.now();
    expect(again.now() - machine).toBeGreaterThanOrEqual(HOUR_MS);
    expect(again.state.ahead).toBe("1h0m0s");
    const before = again.now();
    await again.advance(0);
    expect(again.now()).toBeGreaterThanOrEqual(before);
  });

  it("wakes who tries again every few seconds once, at the end, and has gone on for them all the same", async () => {
    const clock = open();
    const retries = clock.ofRetries;
    const tries: number[] = [];
    const order: string[] = [];
    const ending = new AbortController();
    const retry = async () => {
      while (!ending.signal.aborted) {
        await retries.sleep(8000, ending.signal);
        tries.push(clock.now());
        order.push("retry");
      }
    };
    const trying = retry();
    const sleeping = clock.sleep(HOUR_MS - 1).then(() => order.push("sleeper"));
    const [steady, end] = [retries.steady(), clock.now() + HOUR_MS];
    await clock.advance(HOUR_MS);
    expect(order).toEqual(["sleeper", "retry"]);
    expect(tries[0]).toBeGreaterThanOrEqual(end);
    expect(retries.steady() - steady).toBeGreaterThanOrEqual(HOUR_MS);
    ending.abort();
    await Promise.all([trying, sleeping]);
  });

  it("is done with sleeping where the sleeper is told to end", async () => {
    const clock = open();
    await clock.sleep(HOUR_MS, AbortSignal.abort());
    const ending = new AbortController();
    const sleeping = clock.sleep(HOUR_MS, ending.signal);
    ending.abort();
    await sleeping;
  });
});
