import { afterAll, describe, expect, it } from "vitest";
import { compareWithNaive } from "../../src/plan/policy/differential.suite.ts";
import type { PolicyBed } from "../kernel/policy/policy-bed.ts";
import { compareKernel, differentialBed } from "../kernel/policy/policy-differential.ts";

let bed: PolicyBed | undefined;
afterAll(() => bed?.close());

describe("NetworkPolicy at length", () => {
  it("evaluator = naive matcher on 1,000,000 flows", () => {
    const seed = Date.now() & 0x7fffffff;
    const seen = compareWithNaive(2000, 500, seed);
    expect(seen.allowed + seen.denied, `seed ${seed}`).toBe(1_000_000);
    expect(Math.min(seen.allowed, seen.denied)).toBeGreaterThan(50_000);
  });

  it("kernel = evaluator on 20,000 flows with real packets", async () => {
    bed = differentialBed();
    const seed = Date.now() & 0x7fffffff;
    const seen = { flows: 0, allowed: 0 };
    for (let round = 0; seen.flows < 20_000; round++) {
      const part = await compareKernel(bed, 20, 300, seed + round);
      seen.flows += part.flows;
      seen.allowed += part.allowed;
    }
    expect(Math.min(seen.allowed, seen.flows - seen.allowed), `seed ${seed}`).toBeGreaterThan(2000);
  });
});
