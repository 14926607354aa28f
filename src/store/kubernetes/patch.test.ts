import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalJson } from "../../api/equal.ts";
import { mergePatch } from "./patch.ts";

/** RFC 7396, section 2, as it stands there. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const plain = typeof target === "object" && target !== null && !Array.isArray(target);
  const out = new Map(Object.entries(plain ? (target as object) : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) out.delete(key);
    else out.set(key, apply(out.get(key), value));
  }
  return Object.fromEntries(out);
}

// Kubernetes' objects have no fields that are null.
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom("", "a"),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value")),
  ),
}));
const object = fc.dictionary(fc.constantFrom("a", "b", "c"), value) as fc.Arbitrary<Record<string, unknown>>;

describe("a merge patch", () => {
  it("turns any object into any other, and is nothing where they are equal", () => {
    fc.assert(
      fc.property(object, object, (from, to) => {
        const patch = mergePatch(from, to);
        expect(patch === undefined).toBe(equalJson(from, to));
        if (patch) expect(apply(from, patch)).toEqual(to);
      }),
    );
  });

  it("says nothing about fields that are the same", () => {
    const from = { spec: { a: 1, b: { c: 2 } }, status: { x: 1 } };
    expect(mergePatch(from, { spec: { a: 1, b: { c: 3 } }, status: { x: 1 } })).toEqual({
      spec: { b: { c: 3 } },
    });
    expect(mergePatch({ metadata: { labels: { a: "1" } } }, { metadata: {} })).toEqual({
      metadata: { labels: null },
    });
  });
});
