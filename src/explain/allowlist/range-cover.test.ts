import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCidr, tryParseCidr } from "../../base/ip.ts";
import { united } from "./aggregate.ts";
import { RangeCover } from "./range-cover.ts";

const ranged = (text: string) => {
  const cidr = tryParseCidr(text)!;
  return { ...cidr, range: formatCidr(cidr) };
};

describe("a cover of ranges", () => {
  it("joins halves and takes them apart again", () => {
    const cover = new RangeCover(["10.0.0.0/32", "10.0.0.2/31"].map(ranged));
    const one = ranged("10.0.0.1/32");
    expect(cover.add(one)).toBe(1);
    expect(cover.texts).toEqual(["10.0.0.0/30"]);
    expect(cover.remove(one)).toBe(1);
    expect(cover.texts).toEqual(["10.0.0.0/32", "10.0.0.2/31"]);
  });

  it("keeps what lies in a range that goes", () => {
    const wide = ranged("10.0.0.0/24");
    const cover = new RangeCover([wide, ranged("10.0.0.0/32"), ranged("10.0.0.9/32")]);
    expect(cover.texts).toEqual(["10.0.0.0/24"]);
    cover.remove(wide);
    expect(cover.texts).toEqual(["10.0.0.0/32", "10.0.0.9/32"]);
  });

  const range = fc
    .record({ six: fc.boolean(), at: fc.nat(31), length: fc.integer({ min: 0, max: 5 }) })
    .map(({ six, at, length }) => {
      const base = (at >> (5 - length)) << (5 - length);
      return six ? `fd00::${base.toString(16)}/${123 + length}` : `10.0.0.${base}/${27 + length}`;
    });

  it("is after every step what all ranges are together", () => {
    fc.assert(
      fc.property(fc.uniqueArray(range), fc.array(range, { maxLength: 40 }), (first, steps) => {
        const places = new Map(first.map((text) => [text, ranged(text)]));
        const cover = new RangeCover(places.values());
        for (const text of steps) {
          const known = places.get(text);
          const one = known ?? ranged(text);
          const at = known ? cover.indexOf(known) : cover.add(one);
          expect(cover.all[at]).toBe(one);
          if (known) expect(cover.remove(known)).toBe(at);
          if (known) places.delete(text);
          else places.set(text, one);
          expect(cover.texts).toEqual(united([...places.values()]).map(formatCidr));
          expect(cover.all).toEqual(new RangeCover(places.values()).all);
        }
      }),
    );
  });
});
