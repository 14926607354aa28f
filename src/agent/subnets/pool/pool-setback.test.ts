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

it("throttled calls are made again after longer pauses, and are no reason not to ask", () => {
  const setback = new Setback(
    () => 0,
    () => 1,
  );
  const pauses = Array.from({ length: 4 }, () => setback.note(throttled, true, 0, 1000));
  expect(pauses).toEqual([800, 1600, 3200, 6400]);
  expect(setback.hopeless(0)).toBeUndefined();
  expect(setback.patienceMs).toBe(6400);
  setback.over();
  expect(setback.patienceMs).toBe(0);
  expect(setback.error).toBeUndefined();
});

it.each([
  [1, 250, 250],
  [50, 1200, 250],
  [5000, 30_000, 25_000],
])("where %i nodes wait no pause is longer than %i ms, and after many refusals %i", (nodes, most, last) => {
  const setback = new Setback(
    () => 0,
    () => 1,
  );
  const pauses = Array.from({ length: 30 }, () => setback.note(throttled, true, 0, nodes));
  expect(Math.max(...pauses)).toBeLessThanOrEqual(most);
  expect(pauses.at(-1)).toBe(last);
});

it("pauses are drawn from the whole of their length, so that nodes refused together spread", () => {
  const pause = (random: number) =>
    new Setback(
      () => 0,
      () => random,
    ).note(throttled, true, 0, 1000);
  expect([pause(0), pause(0.5), pause(1)].map(Math.round)).toEqual([80, 440, 800]);
});
