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
});
