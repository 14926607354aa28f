import fc from "fast-check";
import { expect, it } from "vitest";
import { bucketOf } from "./bucket.ts";

it("a bucket holds whole frames and ten milliseconds of its rate, and a wait beyond that", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 125e12 }), fc.integer({ min: 68, max: 65535 }), (rate, mtu) => {
      const { burst, queue } = bucketOf(1, rate, mtu);
      expect(burst).toBeGreaterThanOrEqual(Math.min(2 * (mtu + 18), 2 ** 32 - 1));
      expect(burst).toBeGreaterThanOrEqual(Math.min(rate / 100, 2 ** 32 - 1));
      expect(queue).toBeGreaterThanOrEqual(burst);
      expect(queue).toBeLessThan(2 ** 32);
      expect([burst, queue].every(Number.isInteger)).toBe(true);
    }),
  );
  expect(bucketOf(3, 1_250_000, 1500)).toEqual({
    linkIndex: 3,
    bytesPerSecond: 1_250_000,
    burst: 12_500,
    queue: 43_750,
  });
});
