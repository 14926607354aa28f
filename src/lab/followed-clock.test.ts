import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabClock } from "./clock.ts";
import { FollowedClock } from "./followed-clock.ts";

const HOUR_MS = 3_600_000;

describe("a lab's clock in a process of its own", () => {
  let folder = "";
  let clock: LabClock;
  let followed: FollowedClock;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "followed-clock-"));
    clock = new LabClock(path.join(folder, "clock.json"));
    followed = new FollowedClock(path.join(folder, "clock.json"));
  });
  afterEach(() => {
    followed.close();
    rmSync(folder, { recursive: true });
  });

  it("wakes whose time has come, each time that the lab's is moved", async () => {
    const steady = followed.steady();
    for (let hour = 1; hour <= 3; hour++) {
      const sleeping = followed.sleep(HOUR_MS - 1000);
      await clock.advance(HOUR_MS);
      await sleeping;
      expect(Math.abs(followed.now() - clock.now())).toBeLessThan(1000);
    }
    expect(followed.steady() - steady).toBeGreaterThanOrEqual(3 * HOUR_MS);
  });

  it("lets others sleep on", async () => {
    const woken: string[] = [];
    const ending = new AbortController();
    const later = followed.sleep(2 * HOUR_MS, ending.signal).then(() => woken.push("later"));
    const sooner = followed.sleep(HOUR_MS / 2).then(() => woken.push("sooner"));
    await clock.advance(HOUR_MS);
    await sooner;
    expect(woken).toEqual(["sooner"]);
    ending.abort();
    await later;
  });

  it("is as far ahead as the lab's was when the process was started", async () => {
    await clock.advance(HOUR_MS);
    const another = new FollowedClock(path.join(folder, "clock.json"));
    expect(another.now() - Date.now()).toBeGreaterThanOrEqual(HOUR_MS - 1000);
    another.close();
  });
});
