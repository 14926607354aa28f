import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calicoSelector } from "./calico-selector.ts";

describe("Calico's selector language", () => {
  it.each([
    ["", {}, true],
    ["all()", {}, true],
    ["has(gpu)", { gpu: "" }, true],
    ["!has(gpu)", { gpu: "" }, false],
    ["zone == 'a'", { zone: "a" }, true],
    ["zone == 'a'", {}, false],
    ["zone != 'a'", {}, true],
    ["zone in {'a', \"b\"}", { zone: "b" }, true],
    ["zone in {}", { zone: "b" }, false],
    ["zone not in {'a'}", {}, true],
    ["zone not in {'a'}", { zone: "a" }, false],
    ["zone starts with 'a-' && zone ends with '1'", { zone: "a-1" }, true],
    ["zone contains '-'", { zone: "a-1" }, true],
    ["!(has(a) || has(b)) && has(c)", { c: "" }, true],
    ["has(a) || has(b) && has(c)", { a: "" }, true],
    ["kubernetes.io/os == 'linux'", { "kubernetes.io/os": "linux" }, true],
    ["has(constructor)", {}, false],
  ])("%s on %j: %s", (text, labels, expected) => {
    expect(calicoSelector(text)(labels)).toBe(expected);
  });

  it.each([
    ["zone = 'a'", 6],
    ["zone == a", 9],
    ["zone == 'a", 9],
    ["any()", 5],
    ["has(a) has(b)", 8],
    ["(has(a)", 8],
    ["zone in {'a'", 13],
    ["zone", 5],
    ["&&", 1],
  ])("refuses %s at column %i", (text, column) => {
    expect(() => calicoSelector(text)).toThrow(
      expect.objectContaining({ code: "api.selector", data: expect.objectContaining({ column }) }),
    );
  });

  it("obeys De Morgan", () => {
    const key = fc.constantFrom("a", "b");
    const value = fc.constantFrom("x", "y");
    const atom = fc.oneof(
      fc.tuple(key, value).map(([k, v]) => `${k} == '${v}'`),
      fc.tuple(key, value).map(([k, v]) => `${k} not in {'${v}'}`),
      key.map((k) => `has(${k})`),
    );
    fc.assert(
      fc.property(atom, atom, fc.dictionary(key, value), (one, two, labels) => {
        const both = calicoSelector(`!(${one} && ${two})`)(labels);
        expect(calicoSelector(`!(${one}) || !(${two})`)(labels)).toBe(both);
      }),
    );
  });
});
