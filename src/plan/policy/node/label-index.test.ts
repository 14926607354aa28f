import fc from "fast-check";
import { expect, it } from "vitest";
import { readSelector, type Selector, selects } from "../selector.ts";
import { LabelIndex } from "./label-index.ts";

const labels = fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("x", "y", ""), { maxKeys: 2 });
const expressions = fc.record({
  key: fc.constantFrom("a", "b"),
  operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist"),
  values: fc.subarray(["x", "y", ""], { minLength: 1 }),
});
const selectors = fc.array(expressions, { maxLength: 2 }).map((written) => {
  const matchExpressions = written.map(({ key, operator, values }) =>
    operator === "Exists" || operator === "DoesNotExist" ? { key, operator } : { key, operator, values },
  );
  return readSelector({ matchExpressions }) as Selector;
});

it.each([0, 3, 1000])("finds what a selector matches, with an index from %d items on", (worthAnIndex) => {
  const matches = fc.property(fc.array(labels), fc.array(fc.nat(20)), selectors, (all, gone, selector) => {
    const items = all.map((one) => ({ labels: one }));
    const index = new LabelIndex<(typeof items)[number]>(worthAnIndex);
    for (const item of items) index.add(item);
    const removed = new Set(gone.flatMap((at) => items[at] ?? []));
    for (const item of removed) index.remove(item);
    const left = items.filter((item) => !removed.has(item));
    expect(index.size).toBe(left.length);
    expect(new Set(index.match(selector))).toEqual(
      new Set(left.filter((item) => selects(selector, item.labels))),
    );
    for (const item of left) index.remove(item);
    expect([...index]).toEqual([]);
  });
  fc.assert(matches);
});
