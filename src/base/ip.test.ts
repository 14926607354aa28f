import net from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cidrContains,
  cidrCovers,
  cidrOf,
  cidrRange,
  cidrsOverlap,
  type Family,
  formatCidr,
  formatIp,
  type Ip,
  parseCidr,
  parseIp,
  rangeToCidrs,
  subtractRanges,
  tryParseIp,
} from "./ip.ts";

const ip4: fc.Arbitrary<Ip> = fc.bigInt(0n, 0xffffffffn).map((value) => ({ family: 4, value }));
const ip6: fc.Arbitrary<Ip> = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => ({ family: 6, value: groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n) }));
const anyIp = fc.oneof(ip4, ip6);
const anyCidr = fc
  .tuple(anyIp, fc.nat(128))
  .map(([ip, length]) => cidrOf(ip, ip.family === 4 ? length % 33 : length));

describe("parseIp", () => {
  it("reads back every address that formatIp writes, and Node.js agrees that it is one", () => {
    fc.assert(
      fc.property(anyIp, (ip) => {
        expect(parseIp(formatIp(ip))).toEqual(ip);
        expect(net.isIP(formatIp(ip))).toBe(ip.family);
      }),
    );
  });

  it.each([
    "010.0.0.1",
    "10.1",
    "10.0.0.256",
    "10.0.0.1 ",
    "",
    "1.2.3.4.5",
    "0x0a.0.0.1",
    ":::",
    "1::2::3",
    "fe80::1%eth0",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::1.2.3",
    "1.2.3.4::",
    "12345::",
  ])("refuses %j", (text) => {
    expect(tryParseIp(text)).toBeUndefined();
    expect(() => parseIp(text)).toThrow(/is not an IP address/);
  });

  it("agrees with Node.js on which texts are addresses", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f:.]{0,18}$/), (text) => {
        expect(tryParseIp(text)?.family ?? 0).toBe(net.isIP(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatIp", () => {
  it.each([
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
  ])("writes %s as %s (RFC 5952)", (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical);
  });
});

describe("parseCidr", () => {
  it("refuses host bits and names the range they lie in", () => {
    expect(() => parseCidr("10.0.0.1/8")).toThrow("10.0.0.0/8");
  });

  it.each(["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "::/129"])(
    "refuses %j",
    (text) => {
      expect(() => parseCidr(text)).toThrow(/is not an address range/);
    },
  );

  it("reads back what formatCidr writes", () => {
    fc.assert(
      fc.property(anyCidr, (cidr) => {
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
      }),
    );
  });
});

describe("ranges", () => {
  it("covers exactly when first and last are inside", () => {
    fc.assert(
      fc.property(anyCidr, anyCidr, (a, b) => {
        const { first, last } = cidrRange(b);
        const inside =
          a.family === b.family &&
          [first, last].every((value) => cidrContains(a, { family: b.family, value }));
        expect(cidrCovers(a, b)).toBe(inside);
        expect(cidrsOverlap(a, b)).toBe(cidrsOverlap(b, a));
      }),
    );
  });

  const range4 = fc
    .tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 600 }))
    .map(([a, b]) => ({ family: 4 as Family, first: BigInt(Math.min(a, b)), last: BigInt(Math.max(a, b)) }));

  it("splits a range into prefixes that are exactly the range, in order, without overlap", () => {
    fc.assert(
      fc.property(range4, (range) => {
        let at = range.first;
        for (const cidr of rangeToCidrs(range)) {
          const part = cidrRange(cidr);
          expect(part.first).toBe(at);
          at = part.last + 1n;
        }
        expect(at).toBe(range.last + 1n);
      }),
    );
  });

  it("subtracts holes address by address", () => {
    fc.assert(
      fc.property(range4, fc.array(range4, { maxLength: 4 }), (range, holes) => {
        const left = subtractRanges(range, holes);
        for (let value = range.first; value <= range.last; value++) {
          const inHole = holes.some((hole) => value >= hole.first && value <= hole.last);
          expect(left.some((part) => value >= part.first && value <= part.last)).toBe(!inHole);
        }
      }),
      { numRuns: 50 },
    );
  });
});
