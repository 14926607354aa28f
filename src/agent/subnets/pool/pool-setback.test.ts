import { expect, it } from "vitest";
import { TrunklineError } from "../../../base/errors.ts";
import { Setback } from "./pool-setback.ts";

const exhausted = new TrunklineError("subnet.exhausted", { zone: "h", vSwitchIDs: ["v"], total: 3 });
const throttled = new TrunklineError("subnet.provider", { throttled: true, why: "" });

it("a vSwitch that is exhausted is asked again when the time has come, or others have given back", () => {
  let now = 0;
  const setback = new Setback(() => now);
  expect(setback.hopeless(5)).toBeUndefined();
  const retryMs = setback.note(exhausted, false, 5);
  expect(setback.hopeless(5)).toBe(exhausted);
  expect(setback.hopeless(6)).toBe(exhausted);
  expect(setback.isDrained).toBe(true);
  now = retryMs - 1;
  expect(setback.hopeless(5)).toBeUndefined();
  setback.note(exhausted, false, 5);
  expect(setback.hopeless(4)).toBeUndefined();
  expect(setback.isDrained).toBe(false);
});

it("throttled calls are made again after longer and longer pauses, and are no reason not to ask", () => {
  const setback = new Setback(() => 0);
  const pauses = Array.from({ length: 12 }, () => setback.note(throttled, true, 0, 100));
  expect(Math.max(...pauses)).toBeLessThanOrEqual(3000);
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(1500);
  expect(pauses.at(-1)).toBeGreaterThan(pauses[0] ?? 0);
  expect(setback.hopeless(0)).toBeUndefined();
  expect(setback.patienceMs).toBe(pauses.at(-1));
  setback.over();
  expect(setback.patienceMs).toBe(0);
  expect(setback.error).toBeUndefined();
});

it.each([
  [1, 300, 600],
  [50, 750, 1500],
  [5000, 5000, 10_000],
])("where %i nodes wait the pauses between throttled calls grow to %i to %i ms", (nodes, least, most) => {
  const setback = new Setback(() => 0);
  const last = Array.from({ length: 30 }, () => setback.note(throttled, true, 0, nodes)).slice(10);
  expect(Math.min(...last)).toBeGreaterThanOrEqual(least);
  expect(Math.max(...last)).toBeLessThanOrEqual(most);
});
