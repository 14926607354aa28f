import { setImmediate as aWhile } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

describe("turns", () => {
  it("run one after another, in the order asked, and answer each its own", async () => {
    const turns = new Turns();
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    const first = turns.run(async () => {
      seen.push("first begins");
      await gate.promise;
      seen.push("first ends");
      return 1;
    });
    const second = turns.run(() => {
      seen.push("second");
      return "two";
    });
    await aWhile();
    expect(seen).toEqual(["first begins"]);
    gate.resolve();
    expect(await Promise.all([first, second])).toEqual([1, "two"]);
    expect(seen).toEqual(["first begins", "first ends", "second"]);
  });

  it("do not begin before whoever asks has gone on", async () => {
    const turns = new Turns();
    let hasBegun = false;
    const work = turns.run(() => {
      hasBegun = true;
    });
    expect(hasBegun).toBe(false);
    await work;
    expect(hasBegun).toBe(true);
  });

  it("go on after one that failed, which is told to who asked for it alone", async () => {
    const turns = new Turns();
    const failures = [
      turns.run(() => Promise.reject(new Error("later"))),
      turns.run(() => {
        throw new Error("at once");
      }),
    ];
    const after = turns.run(() => "runs");
    expect(await Promise.allSettled(failures)).toMatchObject([
      { status: "rejected", reason: { message: "later" } },
      { status: "rejected", reason: { message: "at once" } },
    ]);
    expect(await after).toBe("runs");
  });

  it("settle when what was asked so far is over, also where it failed", async () => {
    const turns = new Turns();
    await turns.settled();
    const gate = Promise.withResolvers<void>();
    const failing = turns.run(async () => {
      await gate.promise;
      throw new Error("failed");
    });
    const judged = expect(failing).rejects.toThrow("failed");
    let isSettled = false;
    const settled = turns.settled().then(() => {
      isSettled = true;
    });
    await aWhile();
    expect(isSettled).toBe(false);
    const endless = Promise.withResolvers<void>();
    const later = turns.run(() => endless.promise);
    gate.resolve();
    await settled;
    await judged;
    endless.resolve();
    await later;
  });

  it("are waited for no longer than is said", async () => {
    const turns = new Turns();
    const gate = Promise.withResolvers<void>();
    const work = turns.run(() => gate.promise);
    expect(await turns.settled(1)).toBe(false);
    gate.resolve();
    expect(await turns.settled(10_000)).toBe(true);
    await work;
  });
});
