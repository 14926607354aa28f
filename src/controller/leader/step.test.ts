import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldBy, jittered, leaseStep } from "./step.ts";

const lease = (holderIdentity: string, resourceVersion = "7", leaseDurationSeconds = 15) => ({
  metadata: { name: "l", namespace: "n", uid: "u", resourceVersion, creationTimestamp: "" },
  spec: { holderIdentity, leaseDurationSeconds },
});

describe("what a candidate does about a lease", () => {
  it("makes it where there is none, renews its own, takes one that was given back", () => {
    expect(leaseStep(undefined, "a", undefined, 0, 15_000)).toBe("create");
    expect(leaseStep(lease("a"), "a", undefined, 0, 15_000)).toBe("renew");
    expect(leaseStep(lease(""), "a", undefined, 0, 15_000)).toBe("take");
  });

  it("leaves another one's alone until it has seen it unchanged for as long as it lasts", () => {
    const seen = { version: "7", since: 1000 };
    expect(leaseStep(lease("b"), "a", undefined, 99_000, 15_000)).toBe("wait");
    expect(leaseStep(lease("b"), "a", seen, 15_999, 15_000)).toBe("wait");
    expect(leaseStep(lease("b"), "a", seen, 16_000, 15_000)).toBe("take");
    // Renewed in between, however long ago that was first seen.
    expect(leaseStep(lease("b", "8"), "a", seen, 99_000, 15_000)).toBe("wait");
    // Its holder asked for longer.
    expect(leaseStep(lease("b", "7", 60), "a", seen, 16_000, 15_000)).toBe("wait");
  });
});

it("counts a change of holder, and keeps since when the same one holds it", () => {
  const first = heldBy(undefined, "a", "T1", 15_000);
  expect(first).toMatchObject({
    holderIdentity: "a",
    acquireTime: "T1",
    renewTime: "T1",
    leaseTransitions: 0,
  });
  const renewed = heldBy(first, "a", "T2", 15_000);
  expect(renewed).toMatchObject({ acquireTime: "T1", renewTime: "T2", leaseTransitions: 0 });
  expect(heldBy(renewed, "b", "T3", 1500)).toEqual({
    holderIdentity: "b",
    leaseDurationSeconds: 2,
    acquireTime: "T3",
    renewTime: "T3",
    leaseTransitions: 1,
  });
});

it("spreads pauses by a fifth to either side", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (ms, random) => {
        const pause = jittered(ms, random);
        expect(pause).toBeGreaterThanOrEqual(Math.floor(ms * 0.8));
        expect(pause).toBeLessThanOrEqual(Math.ceil(ms * 1.2));
      },
    ),
  );
});
