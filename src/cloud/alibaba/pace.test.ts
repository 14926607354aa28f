import { expect, it } from "vitest";
import { Pace } from "./pace.ts";

it("calls come in a burst of a tenth of a minute's, and evenly from then on; other actions have their own", () => {
  let now = 0;
  const pace = new Pace(() => now);
  const waits = Array.from({ length: 52 }, () => pace.wait("CreateNetworkInterface"));
  expect(waits.slice(0, 50).every((wait) => wait === 0)).toBe(true);
  expect(waits[50]).toBeCloseTo(120);
  expect(waits[51]).toBeCloseTo(240);
  expect(pace.wait("DescribeNetworkInterfaces")).toBe(0);
  now = 60_000;
  expect(
    Array.from({ length: 50 }, () => pace.wait("CreateNetworkInterface")).every((wait) => wait === 0),
  ).toBe(true);
});
