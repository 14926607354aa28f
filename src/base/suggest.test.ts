import { describe, expect, it } from "vitest";
import { nearest } from "./suggest.ts";

describe("suggestions", () => {
  it.each([
    ["ingres", "ingress"],
    ["podSeletcor", "podSelector"],
    ["PODSELECTOR", "podSelector"],
    ["portss", "ports"],
    ["something", undefined],
    ["", undefined],
  ])("%s: %s", (word, expected) => {
    expect(nearest(word, ["podSelector", "ingress", "egress", "ports"])).toBe(expected);
  });

  it("may be held to fewer letters", () => {
    expect(nearest("podSelxxxor", ["podSelector"])).toBe("podSelector");
    expect(nearest("podSelxxxor", ["podSelector"], 2)).toBeUndefined();
    expect(nearest("podSelexxor", ["podSelector"], 2)).toBe("podSelector");
  });
});
