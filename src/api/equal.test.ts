import fc from "fast-check";
import { expect, it } from "vitest";
import { deepFreeze, plainJson } from "./equal.ts";

it("copies what a caller hands in as JSON would", () => {
  const anything = fc.object({
    withDate: true,
    withNullPrototype: false,
    values: [fc.anything({ maxDepth: 0 })],
  });
  const values = fc.oneof(fc.jsonValue(), anything.filter(isJson));
  fc.assert(
    fc.property(values, (value) => {
      expect(JSON.stringify(plainJson(value))).toBe(JSON.stringify(value));
    }),
  );
  expect(plainJson({ a: undefined, b: [undefined, Number.NaN], c: new Date(0) })).toEqual({
    b: [null, null],
    c: "1970-01-01T00:00:00.000Z",
  });
  const odd = JSON.parse('{"__proto__": {"x": 1}}') as object;
  expect(JSON.stringify(plainJson(odd))).toBe('{"__proto__":{"x":1}}');
});

it("shares what nobody can change, and nothing else", () => {
  const stored = deepFreeze({ entries: [{ range: "10.0.0.1/32" }] });
  const fresh = { own: [1] };
  const copy = plainJson({ ...stored, fresh }) as typeof stored & { fresh: typeof fresh };
  expect(copy.entries).toBe(stored.entries);
  fresh.own.push(2);
  expect(copy.fresh.own).toEqual([1]);
});

function isJson(value: object): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}
