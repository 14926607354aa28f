import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCidr, formatIp, type IpRange, ipv4Ends, tryParseCidr } from "../../base/ip.ts";
import { type BlockSource, type Blocks, disjoint, kindAt } from "./blocks.ts";
import { changesOf, cutsKept, rangeKey } from "./nft/range-map.ts";
import { hasPort, portRange } from "./port-set.ts";
import { PackedRanges, rangesHold } from "./ranges.ts";

const BASE = { 4: 0x0a00_0000n, 6: 0xfd00n << 112n } as const;
const SPAN = 12;

const range = (family: 4 | 6) =>
  fc.tuple(fc.nat(SPAN), fc.nat(4)).map(
    ([first, more]): IpRange => ({
      family,
      first: BASE[family] + BigInt(first),
      last: BASE[family] + BigInt(first + more),
    }),
  );

function packed(ranges: readonly IpRange[]): PackedRanges {
  return new PackedRanges(
    Uint32Array.from(ranges.flatMap(({ first, last }) => [Number(first), Number(last)])),
  );
}

const source = fc
  .record({
    ranges: fc.oneof(
      fc.array(fc.oneof(range(4), range(6)), { maxLength: 5 }),
      fc.array(range(4), { maxLength: 5 }).map(packed),
    ),
    port: fc.constantFrom(80, 81),
    rule: fc.constantFrom("a", "b", "c"),
  })
  .map(
    ({ ranges, port, rule }): BlockSource => ({ ranges, ports: portRange("TCP", port, port), rules: [rule] }),
  );
const sources = fc.array(source, { maxLength: 4 });

const addresses = ([4, 6] as const).flatMap((family) =>
  Array.from({ length: SPAN + 8 }, (_, at) => ({ family, value: BASE[family] + BigInt(at) - 1n })),
);

/** A map as the kernel has it. */
function keysOf(blocks: Blocks, family: 4 | 6): string[] {
  const mine = blocks[family];
  return Array.from(
    mine.firsts,
    (_, at) => `${rangeKey(mine, at)} ${mine.kinds[mine.kindOf[at]!]!.ports.key}`,
  );
}

describe("ranges without overlap", () => {
  it("say of every address what the ranges that hold it say together, in ascending order and without seams", () => {
    fc.assert(
      fc.property(sources, (written) => {
        const blocks = disjoint(written);
        for (const ip of addresses) {
          const holding = written.filter(({ ranges }) => rangesHold(ranges, ip));
          const kind = kindAt(blocks, ip);
          expect(kind?.rules ?? []).toEqual([...new Set(holding.flatMap(({ rules }) => rules))].toSorted());
          for (const port of [80, 81])
            expect(kind !== undefined && hasPort(kind.ports, "TCP", port)).toBe(
              holding.some(({ ports }) => hasPort(ports, "TCP", port)),
            );
        }
        for (const { family, firsts, lasts, kindOf } of [blocks[4], blocks[6]])
          for (let at = 1; at < firsts.length; at++) {
            const [end, begin] = [BigInt(lasts[at - 1]!), BigInt(firsts[at]!)];
            expect(begin > end).toBe(true);
            expect([family, begin === end + 1n && kindOf[at] === kindOf[at - 1]]).toEqual([family, false]);
          }
      }),
    );
  });

  it("reach the last address of either family", () => {
    const whole = (family: 4 | 6, last: bigint): BlockSource => ({
      ranges: [
        { family, first: 0n, last },
        { family, first: last, last },
      ],
      ports: portRange("TCP", 1, 1),
      rules: ["all"],
    });
    const blocks = disjoint([whole(4, 0xffff_ffffn), whole(6, (1n << 128n) - 1n)]);
    expect(keysOf(blocks, 4)).toEqual([expect.stringContaining("0.0.0.0-255.255.255.255")]);
    expect(keysOf(blocks, 6)).toEqual([
      expect.stringContaining("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ]);
  });

  it("change in just what differs", () => {
    fc.assert(
      fc.property(sources, sources, (one, other) => {
        const [before, now] = [disjoint(one), disjoint(other)];
        for (const family of [4, 6] as const) {
          const [had, have] = [keysOf(before, family), keysOf(now, family)];
          const { gone, fresh } = changesOf(before[family], now[family]);
          expect(gone.map((at) => had[at])).toEqual(had.filter((key) => !have.includes(key)));
          expect(fresh.map((at) => have[at])).toEqual(have.filter((key) => !had.includes(key)));
          const kept = addresses.filter(
            (ip) => ip.family === family && kindAt(before, ip) !== undefined && kindAt(now, ip) !== undefined,
          );
          const isCut = kept.some((ip) => {
            const keyAt = (blocks: Blocks, keys: readonly string[]) =>
              keys[Array.from(blocks[family].firsts).findLastIndex((first) => BigInt(first) <= ip.value)];
            return keyAt(before, had) !== keyAt(now, have);
          });
          expect(cutsKept(before[family], now[family])).toBe(isCut);
        }
      }),
    );
  });

  it("of twenty thousand ranges change in one where one comes, wherever it is written", () => {
    const ends = Uint32Array.from({ length: 40_000 }, (_, at) => (at >> 1) * 1024 + (at & 1) * 255);
    const kind = { ports: portRange("TCP", 80, 80), rules: ["a"] };
    const more = new PackedRanges(Uint32Array.from([512, 600, ...ends]));
    const before = disjoint([{ ...kind, ranges: new PackedRanges(ends) }]);
    for (const ranges of [
      more,
      new PackedRanges(
        more.ends
          .slice()
          .reverse()
          .map((_, at, all) => all[at ^ 1]!),
      ),
    ]) {
      const now = disjoint([{ ...kind, ranges }]);
      expect(changesOf(before[4], now[4])).toEqual({ gone: [], fresh: [1] });
      expect(now[4].kinds).toHaveLength(1);
    }
  });
});

it("reads a range of IPv4 where the strict reader does, and as it does", () => {
  const part = fc.constantFrom("0", "1", "10", "255", "256", "01", "", "x", "128");
  const text = fc.oneof(
    fc
      .tuple(
        part,
        part,
        part,
        part,
        fc.constantFrom("0", "8", "24", "31", "32", "33", "08", "", "-1", "1x", "999"),
      )
      .map(([a, b, c, d, length]) => `${a}.${b}.${c}.${d}/${length}`),
    fc
      .tuple(fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 32 }))
      .map(([value, length]) => `${formatIp({ family: 4, value: BigInt(value) })}/${length}`),
    fc.constantFrom("10.0.0.0", "fd00::/8", "/8", "10.0.0.0/8/8", ""),
  );
  fc.assert(
    fc.property(text, (written) => {
      const cidr = tryParseCidr(written);
      const wanted = cidr?.family === 4 && formatCidr(cidr) === written ? cidr : undefined;
      const size = wanted && 1n << BigInt(32 - wanted.length);
      expect(ipv4Ends(written)).toEqual(
        wanted && size && { first: Number(wanted.base), last: Number(wanted.base + size - 1n) },
      );
    }),
  );
});
