import { describe, expect, it } from "vitest";
import { parseGoDuration } from "./go-duration.ts";

describe("Go's durations", () => {
  it.each([
    ["60s", 60_000],
    ["1h30m", 5_400_000],
    ["1.5m", 90_000],
    [".5s", 500],
    ["0", 0],
    ["-5s", -5000],
    ["100ms", 100],
    ["5", undefined],
    ["", undefined],
    ["s", undefined],
    ["5d", undefined],
    ["5s ", undefined],
  ])("%j", (text, ms) => expect(parseGoDuration(text)).toBe(ms));
});
