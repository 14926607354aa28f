import { describe, expect, it } from "vitest";
import { atLeast, negotiate } from "./versions.ts";

describe("negotiate", () => {
  it.each(["0.3.1", "0.4.0", "1.0.0", "1.1.0"])("answers ADD and DEL in %s", (version) => {
    expect(negotiate(version, "ADD")).toBe(version);
    expect(negotiate(version, "DEL")).toBe(version);
  });

  it.each([
    ["CHECK", "0.3.1"],
    ["GC", "1.0.0"],
    ["STATUS", "1.0.0"],
  ] as const)("refuses %s before it was defined (%s)", (verb, version) => {
    expect(negotiate(version, verb)).toMatchObject({
      code: 1,
      msg: `config version does not allow ${verb}`,
    });
  });

  it.each(["0.2.0", "0.3.0", "1.0.1", "2.0.0"])("refuses %s and names what is supported", (version) => {
    expect(negotiate(version, "ADD")).toEqual({
      code: 1,
      msg: "incompatible CNI versions",
      details: `config is "${version}", plugin supports ["0.3.1","0.4.0","1.0.0","1.1.0"]`,
    });
  });

  it("takes a configuration without version for 0.1.0, and refuses what is no version", () => {
    expect(negotiate(undefined, "ADD")).toMatchObject({ code: 1 });
    expect(negotiate("", "ADD")).toMatchObject({ code: 1 });
    expect(negotiate("1.0", "ADD")).toMatchObject({ code: 6 });
    expect(negotiate("x.y.z", "ADD")).toMatchObject({ code: 6 });
  });
});

describe("atLeast", () => {
  it("compares numbers and not texts", () => {
    expect(atLeast("0.10.0", "0.9.0")).toBe(true);
    expect(atLeast("0.9.9", "0.10.0")).toBe(false);
    expect(atLeast("1.0.0", "1.0.0")).toBe(true);
  });
});
