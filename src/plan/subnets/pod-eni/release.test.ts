import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PodENI } from "../../../api/kinds/pod-eni.ts";
import { releaseOf } from "./release.ts";

type Allocation = Partial<Record<"type" | "releaseStrategy" | "releaseAfter", string>>;

function held(allocations: readonly Allocation[], podLastSeen?: string): Pick<PodENI, "spec" | "status"> {
  return {
    spec: { allocations: allocations.map((allocationType) => ({ allocationType, eni: { id: "eni-1" } })) },
    status: { ...(podLastSeen !== undefined && { podLastSeen }) },
  };
}
const seen = "2026-01-01T00:00:00Z";
const fixed = (releaseStrategy?: string, releaseAfter?: string): Allocation => ({
  type: "Fixed",
  ...(releaseStrategy !== undefined && { releaseStrategy }),
  ...(releaseAfter !== undefined && { releaseAfter }),
});

describe("when a held address is let go", () => {
  it("goes by the strategy", () => {
    expect(releaseOf(held([{}], seen))).toEqual({ what: "with-pod" });
    expect(releaseOf(held([{ type: "Elastic", releaseAfter: "nonsense" }], seen))).toEqual({
      what: "with-pod",
    });
    expect(releaseOf(held([fixed("Never", "1h")], seen))).toEqual({ what: "never" });
    expect(releaseOf(held([fixed()], seen))).toEqual({ what: "never" });
    expect(releaseOf(held([fixed("TTL", "1h")], seen))).toEqual({
      what: "at",
      at: Date.parse(seen) + 3_600_000,
    });
  });

  it("keeps what it cannot read", () => {
    const odd = [
      held([fixed("TTL", "-1h")], seen),
      held([fixed("TTL", "soon")], seen),
      held([fixed("TTL")], seen),
      held([fixed("Sometimes", "1h")], seen),
      held([{ type: "Sticky" }], seen),
      held([fixed("TTL", "1h")], "yesterday"),
      held([fixed("TTL", "1h")]),
    ];
    for (const one of odd) expect(releaseOf(one).what).toBe("undecided");
  });

  it("keeps all of several where one is kept", () => {
    expect(releaseOf(held([fixed("TTL", "1h"), fixed("Never")], seen)).what).toBe("never");
    expect(releaseOf(held([fixed("TTL", "1h"), fixed("TTL", "2h")], seen))).toEqual({
      what: "at",
      at: Date.parse(seen) + 7_200_000,
    });
    expect(releaseOf(held([{}, fixed("TTL", "x")], seen)).what).toBe("undecided");
  });

  it("never lets go early what is fixed, whatever stands in it", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom("TTL", "Never", "1h", "-5m", "0", "1h30m"));
    fc.assert(
      fc.property(text, text, text, (strategy, after, last) => {
        const release = releaseOf(held([fixed(strategy, after)], last));
        expect(release.what).not.toBe("with-pod");
        if (release.what === "at") expect(release.at).toBeGreaterThanOrEqual(Date.parse(last));
      }),
    );
  });
});
