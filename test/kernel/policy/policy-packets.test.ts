import { afterAll, describe, expect, it } from "vitest";
import type { PolicyBed } from "./policy-bed.ts";
import { compareKernel, differentialBed } from "./policy-differential.ts";

let bed: PolicyBed | undefined;
afterAll(() => bed?.close());

describe("real packets and the evaluator", () => {
  it("agree on random clusters", async () => {
    bed = differentialBed();
    const seed = Date.now() & 0x7fffffff;
    const seen = await compareKernel(bed, 12, 150, seed);
    expect(seen.allowed, `seed ${seed}`).toBeGreaterThan(50);
    expect(seen.flows - seen.allowed, `seed ${seed}`).toBeGreaterThan(50);
  });
});
