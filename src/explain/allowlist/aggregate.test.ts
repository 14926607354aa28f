import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cidr, cidrContains, formatCidr, parseCidr, parseIp } from "../../base/ip.ts";
import { aggregate, counterOf } from "./aggregate.ts";

const address = (last: number) => `10.0.0.${last}/32`;

describe("the fewest ranges", () => {
  it("puts exact halves together, and nothing else", () => {
    expect(aggregate([address(5), address(4), address(6), address(9)])).toEqual([
      "10.0.0.4/31",
      "10.0.0.6/32",
      "10.0.0.9/32",
    ]);
    expect(aggregate(["10.0.0.0/24", address(7), "10.0.1.0/24", "fd00::1/128"])).toEqual([
      "10.0.0.0/23",
      "fd00::1/128",
    ]);
  });

  it("puts those together by which fewest others get in, first of those that are somebody", () => {
    const list = [address(0), address(3), address(64), address(67)];
    expect(aggregate(list, 3)).toEqual(["10.0.0.0/30", address(64), address(67)]);
    // Somebody has 10.0.0.1.
    const others = counterOf([parseIp("10.0.0.1")]);
    expect(aggregate(list, 3, others)).toEqual([address(0), address(3), "10.0.0.64/30"]);
    expect(aggregate(list, 2, others)).toEqual(["10.0.0.0/30", "10.0.0.64/30"]);
    expect(aggregate(list, 1)).toEqual(["10.0.0.0/25"]);
  });

  it("keeps a range for each family", () => {
    expect(aggregate([address(1), address(4), "fd00::1/128", "fd00::4/128"], 1)).toEqual([
      "10.0.0.0/29",
      "fd00::/125",
    ]);
    expect(aggregate([address(1), address(4), "fd00::1/128", "fd00::8/128"], 3)).toEqual([
      "10.0.0.0/29",
      "fd00::1/128",
      "fd00::8/128",
    ]);
  });

  it("of nothing is nothing", () => {
    expect(aggregate([], 4)).toEqual([]);
  });

  it("holds all, is as few as asked for, and no choice of as few lets in fewer others", () => {
    const sets = fc.uniqueArray(fc.nat(15), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(
        sets,
        fc.uniqueArray(fc.nat(15), { maxLength: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (wanted, taken, most) => {
          const strangers = taken.filter((one) => !wanted.includes(one));
          const others = counterOf(strangers.map((one) => parseIp(`10.0.0.${one}`)));
          const found = aggregate(wanted.map(address), most, others).map(parseCidr);
          expect(found.length).toBeLessThanOrEqual(most);
          for (const one of wanted)
            expect(found.filter((range) => cidrContains(range, parseIp(`10.0.0.${one}`)))).toHaveLength(1);
          expect(cost(found, wanted, strangers)).toEqual(cheapest(wanted, strangers, most));
        },
      ),
    );
  });
});

/** What a choice lets in: others that are somebody, and all others. */
function cost(ranges: readonly Cidr[], wanted: readonly number[], strangers: readonly number[]): number[] {
  const admitted = [...Array(16).keys()].filter((one) =>
    ranges.some((range) => cidrContains(range, parseIp(`10.0.0.${one}`))),
  );
  const others = admitted.filter((one) => !wanted.includes(one));
  return [others.filter((one) => strangers.includes(one)).length, others.length];
}

/** By trying every choice of ranges of the sixteen addresses. */
function cheapest(wanted: readonly number[], strangers: readonly number[], most: number): number[] {
  const all = [28, 29, 30, 31, 32].flatMap((length) => {
    const size = 2 ** (32 - length);
    return Array.from({ length: 16 / size }, (_, at) => parseCidr(`10.0.0.${at * size}/${length}`));
  });
  let best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const choose = (left: readonly number[], chosen: readonly Cidr[]): void => {
    const [next] = left;
    if (next === undefined) {
      const now = cost(chosen, wanted, strangers);
      if (now[0]! < best[0]! || (now[0] === best[0] && now[1]! < best[1]!)) best = now;
      return;
    }
    if (chosen.length === most) return;
    for (const range of all)
      if (cidrContains(range, parseIp(`10.0.0.${next}`)))
        choose(
          left.filter((one) => !cidrContains(range, parseIp(`10.0.0.${one}`))),
          [...chosen, range],
        );
  };
  const exact = aggregate(wanted.map(address));
  if (exact.length <= most) return cost(exact.map(parseCidr), wanted, strangers);
  choose(wanted, []);
  expect(
    best[0],
    `${wanted.map(address).join()} ${exact.map((one) => formatCidr(parseCidr(one))).join()}`,
  ).not.toBe(Number.POSITIVE_INFINITY);
  return best;
}
