import { describe, expect, it } from "vitest";
import { compareWithNaive } from "./differential.suite.ts";

describe("the evaluator and the naive matcher", () => {
  it("agree on random clusters and flows", () => {
    const seed = Date.now() & 0x7fffffff;
    const seen = compareWithNaive(200, 40, seed);
    // Both answers occur: a test where everything is allowed would prove nothing.
    expect(seen.allowed, `seed ${seed}`).toBeGreaterThan(100);
    expect(seen.denied, `seed ${seed}`).toBeGreaterThan(100);
  });
});
