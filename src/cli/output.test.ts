import { describe, expect, it } from "vitest";
import { TrunklineError } from "../base/errors.ts";
import { ago, duration, exitCodeOf, table, visible } from "./output.ts";

describe("output", () => {
  it.each([
    [0, "0s"],
    [119, "119s"],
    [120, "2m"],
    [200, "3m20s"],
    [599, "9m59s"],
    [601, "10m"],
    [3 * 3600 + 60, "3h1m"],
    [9 * 3600 + 60, "9h"],
    [50 * 3600, "2d"],
    [-5, "0s"],
  ])("%i seconds are %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it("tells ages, and that one is unknown", () => {
    expect(ago("2026-01-01T00:00:00Z", new Date("2026-01-01T00:00:42Z"))).toBe("42s");
    expect(ago(undefined)).toBe("<unknown>");
  });

  it("aligns columns without blanks at the ends", () => {
    expect(
      table([
        ["A", "LONG", "C"],
        ["xx", "y", ""],
      ]),
    ).toBe("A    LONG   C\nxx   y");
  });

  it("writes out what terminals obey, and leaves all else", () => {
    expect(visible("a\u001b[31mb\u0007\u009b2J\r\u202ec")).toBe(
      "a\\u001b[31mb\\u0007\\u009b2J\\u000d\\u202ec",
    );
    const plain = "tab\tline\n→ ä 漢字 \\u001b";
    expect(visible(plain)).toBe(plain);
    // What is JSON stays the same JSON.
    const value = { a: "\u001b\u009b\u007f\u2066" };
    expect(JSON.parse(visible(JSON.stringify(value)))).toEqual(value);
  });

  it("maps errors to exit codes", () => {
    const notFound = new TrunklineError("cli.not-found", { kind: "Pod", name: "x", namespace: "a" });
    const conflict = new TrunklineError("store.conflict", { kind: "Pod", key: "x", why: "w" });
    const input = new TrunklineError("api.problems", { problems: [], consequence: "" });
    expect([notFound, input, conflict, new TypeError("bug")].map(exitCodeOf)).toEqual([1, 2, 3, 3]);
    const fault = new TrunklineError("lab.cloud-fault", { word: "nope", known: ["half"] });
    const hidden = new TrunklineError("lab.cloud-unknown", { id: "nope", known: [] });
    const none = new TrunklineError("lab.cloud-none", { name: "plain" });
    expect([fault, hidden, none].map(exitCodeOf)).toEqual([2, 2, 2]);
  });
});
