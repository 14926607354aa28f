import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LabelSelector } from "../kinds/core.ts";
import { matchesSelector, parseSelector, selectorText, selectsAll } from "./selectors.ts";

const key = fc.constantFrom("app", "tier", "x.io/role", "constructor");
const value = fc.constantFrom("", "a", "b", "c-1");
const labels = fc.dictionary(key, value);
const requirement = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom("In" as const, "NotIn" as const),
    values: fc.uniqueArray(value, { minLength: 1 }),
  }),
  fc.record({ key, operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const) }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: fc.dictionary(key, value), matchExpressions: fc.array(requirement, { maxLength: 3 }) },
  { requiredKeys: [] },
);

describe("label selectors", () => {
  it.each([
    ["", {}, true],
    ["app", {}, false],
    ["!app", {}, true],
    ["app=web", { app: "web" }, true],
    ["app==web", { app: "db" }, false],
    ["app!=web", {}, true],
    ["app!=web", { app: "web" }, false],
    ["app in (web, db)", { app: "db" }, true],
    ["app in (web,db)", {}, false],
    ["app notin (web)", {}, true],
    ["app notin (web),tier", { app: "db" }, false],
    ["app=", { app: "" }, true],
    ["in=notin", { in: "notin" }, true],
    ["constructor", {}, false],
  ])("'%s' on %j: %s", (text, of, expected) => {
    expect(matchesSelector(parseSelector(text), of)).toBe(expected);
  });

  it.each(["=a", "a in b", "a in (b", "a,", "a b", "a=b c", "!"])("refuses '%s'", (text) => {
    expect(() => parseSelector(text)).toThrow(expect.objectContaining({ code: "api.selector" }));
  });

  it("means the same after being written and read", () => {
    fc.assert(
      fc.property(selector, labels, (one, of) => {
        expect(matchesSelector(parseSelector(selectorText(one)), of)).toBe(matchesSelector(one, of));
      }),
    );
  });

  it("an expression and its opposite never agree", () => {
    fc.assert(
      fc.property(key, fc.uniqueArray(value, { minLength: 1 }), labels, (name, values, of) => {
        const test = (operator: "In" | "NotIn") =>
          matchesSelector({ matchExpressions: [{ key: name, operator, values }] }, of);
        expect(test("In")).toBe(!test("NotIn"));
      }),
    );
  });

  it("one requirement more never selects more", () => {
    fc.assert(
      fc.property(selector, requirement, labels, (one, more, of) => {
        const narrower = { ...one, matchExpressions: [...(one.matchExpressions ?? []), more] };
        if (matchesSelector(narrower, of)) expect(matchesSelector(one, of)).toBe(true);
        if (selectsAll(one)) expect(matchesSelector(one, of)).toBe(true);
      }),
    );
  });

  it("selects nothing by an operator that nobody knows", () => {
    const odd = { matchExpressions: [{ key: "app", operator: "Like" as "In", values: ["a"] }] };
    expect(matchesSelector(odd, { app: "a" })).toBe(false);
  });
});
