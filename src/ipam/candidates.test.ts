import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blockName } from "../api/kinds/address-block.ts";
import { cidrsOverlap, parseCidr } from "../base/ip.ts";
import { nextBlock } from "./candidates.ts";

const pool = { name: "p", cidr: "10.1.0.0/24", blockSize: 26 };
const none: ReadonlySet<string> = new Set();

describe("nextBlock", () => {
  it("gives every block of a pool once, and then none", () => {
    const known: string[] = [];
    for (let n = 0; n < 4; n++) known.push(nextBlock(pool, "a", known.map(parseCidr), none) ?? "none");
    expect(known.toSorted()).toEqual(["10.1.0.0/26", "10.1.0.128/26", "10.1.0.192/26", "10.1.0.64/26"]);
    expect(nextBlock(pool, "a", known.map(parseCidr), none)).toBeUndefined();
  });

  it("says the same every time, and mostly something else for another node", () => {
    const big = { ...pool, cidr: "10.0.0.0/8" };
    const names = Array.from({ length: 50 }, (_, n) => `node-${n}`);
    const first = names.map((name) => nextBlock(big, name, [], none));
    expect(names.map((name) => nextBlock(big, name, [], none))).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(45);
  });

  it("passes over what was refused", () => {
    const first = nextBlock(pool, "a", [], none) ?? "";
    expect(nextBlock(pool, "a", [], new Set([blockName(first)]))).not.toBe(first);
  });

  it("keeps clear of blocks of another size, as a pool that was made anew leaves them", () => {
    const large = [parseCidr("10.1.0.0/25")];
    expect(parseCidr(nextBlock(pool, "a", large, none) ?? "").base).toBeGreaterThanOrEqual(
      parseCidr("10.1.0.128/32").base,
    );
    const small = ["10.1.0.5/32", "10.1.0.70/32", "10.1.0.130/32"].map(parseCidr);
    expect(nextBlock(pool, "a", small, none)).toBe("10.1.0.192/26");
    expect(nextBlock({ ...pool, blockSize: 24 }, "a", small, none)).toBeUndefined();
  });

  it("finds a block in an IPv6 pool of 2^58 of them without walking it", () => {
    const six = { name: "p", cidr: "fd00::/64", blockSize: 122 };
    const first = nextBlock(six, "a", [], none) ?? "";
    const second = nextBlock(six, "a", [parseCidr(first)], none) ?? "";
    expect(parseCidr(second).base - parseCidr(first).base).toBe(64n);
  });

  it("never overlaps what is known, and fails only if nothing is left", () => {
    const block = fc
      .record({ length: fc.integer({ min: 24, max: 29 }), at: fc.nat(31) })
      .map(({ length, at }) => parseCidr(`10.1.0.${(at * 8) & (0xff << (32 - length)) & 0xff}/${length}`));
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 6 }),
        fc.integer({ min: 25, max: 29 }),
        fc.string(),
        (known, blockSize, node) => {
          const got = nextBlock({ ...pool, blockSize }, node, known, none);
          const all = Array.from({ length: 2 ** (blockSize - 24) }, (_, n) =>
            parseCidr(`10.1.0.${n * 2 ** (32 - blockSize)}/${blockSize}`),
          );
          const free = all.filter((one) => !known.some((other) => cidrsOverlap(one, other)));
          expect(got !== undefined).toBe(free.length > 0);
          if (got !== undefined) expect(free).toContainEqual(parseCidr(got));
        },
      ),
    );
  });
});
