import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cidr, cidrContains, cidrOf, type IpRange } from "../../base/ip.ts";
import { layered, mostSpecific, type Segment, segmentAt, unionOf } from "./intervals.ts";

// Few addresses, so that ranges meet, touch and nest often.
const at = fc.integer({ min: 0, max: 63 }).map(BigInt);
const range = fc
  .tuple(at, at)
  .map(([a, b]): IpRange => (a < b ? { family: 4, first: a, last: b } : { family: 4, first: b, last: a }));
const cidr = fc
  .tuple(at, fc.integer({ min: 26, max: 32 }))
  .map(([value, length]): Cidr => cidrOf({ family: 4, value }, length));
const all = Array.from({ length: 64 }, (_, n) => BigInt(n));
const holds = (one: IpRange, value: bigint) => one.first <= value && value <= one.last;

function disjointAndAscending(segments: readonly Segment<unknown>[]): boolean {
  return segments.every((segment, n) => {
    const before = segments[n - 1];
    return segment.first <= segment.last && (before === undefined || before.last < segment.first);
  });
}

describe("intervals", () => {
  it("layers: the first layer that holds an address decides", () => {
    const layers = fc.array(fc.record({ ranges: fc.array(range, { maxLength: 5 }), value: fc.nat(2) }), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(layers, (given) => {
        const segments = layered(given, 4);
        expect(disjointAndAscending(segments)).toBe(true);
        for (const value of all) {
          const layer = given.find(({ ranges }) => ranges.some((one) => holds(one, value)));
          expect(segmentAt(segments, value)?.value).toBe(layer?.value);
        }
      }),
    );
  });

  it("most specific: the longest prefix decides", () => {
    const entries = fc.uniqueArray(fc.record({ cidr, value: fc.nat(1) }), {
      selector: ({ cidr: one }) => `${one.base}/${one.length}`,
      maxLength: 12,
    });
    fc.assert(
      fc.property(entries, (given) => {
        const segments = mostSpecific(given, 4);
        expect(disjointAndAscending(segments)).toBe(true);
        for (const value of all) {
          const [longest] = given
            .filter((entry) => cidrContains(entry.cidr, { family: 4, value }))
            .toSorted((a, b) => b.cidr.length - a.cidr.length);
          expect(segmentAt(segments, value)?.value).toBe(longest?.value);
        }
      }),
    );
  });

  it("union: the same addresses, in the fewest ranges", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), (ranges) => {
        const union = unionOf(ranges, 4);
        for (const value of all) {
          expect(union.some((one) => holds(one, value))).toBe(ranges.some((one) => holds(one, value)));
        }
        for (const [n, one] of union.entries()) {
          const before = union[n - 1];
          if (before) expect(before.last + 1n).toBeLessThan(one.first);
        }
      }),
    );
  });

  it("takes ten thousand ranges within a moment", () => {
    const entries = Array.from({ length: 10_000 }, (_, n) => ({
      cidr: cidrOf({ family: 4, value: BigInt(n) << 9n }, 24),
      value: 1,
    }));
    expect(mostSpecific(entries, 4)).toHaveLength(10_000);
  });
});
