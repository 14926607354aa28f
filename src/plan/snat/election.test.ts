import { describe, expect, it } from "vitest";
import { electionStep, LEASE_MS, STAGGER_MS } from "./election.ts";

const candidates = ["a", "b", "c"];
const address = "192.0.2.7";
const step = (node: string, holder: string | undefined, unchangedMs: number) =>
  electionStep(address, node, candidates, { holder, unchangedMs });

describe("who takes an egress address", () => {
  it("is one node where no lease is there yet", () => {
    const takers = candidates.filter((node) => electionStep(address, node, candidates, undefined) === "take");
    expect(takers).toHaveLength(1);
  });

  it("does not depend on the order of candidates", () => {
    for (const node of candidates) {
      expect(electionStep(address, node, candidates.toReversed(), undefined)).toBe(
        electionStep(address, node, candidates, undefined),
      );
    }
  });

  it("renews what it holds, and waits while another one renews", () => {
    expect(step("a", "a", 10 * LEASE_MS)).toBe("renew");
    for (const node of ["b", "c"]) expect(step(node, "a", LEASE_MS - 1)).toBe("wait");
  });

  it("takes over from a silent holder, one candidate after another", () => {
    const at = (ms: number) => ["b", "c"].filter((node) => step(node, "a", ms) === "take").length;
    expect(at(LEASE_MS + 3 * STAGGER_MS)).toBe(2);
    const first = [0, 1, 2].find((rank) => at(LEASE_MS + rank * STAGGER_MS) > 0) ?? 9;
    expect(at(LEASE_MS + first * STAGGER_MS)).toBe(1);
  });

  it("does not wait for a lease that was given back, or that no candidate holds", () => {
    for (const holder of [undefined, "gone"]) {
      expect(candidates.some((node) => step(node, holder, 0) === "take")).toBe(true);
    }
  });

  it("is never a node that is no candidate", () => {
    expect(step("z", "a", 100 * LEASE_MS)).toBe("wait");
  });
});
