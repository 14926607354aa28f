import fc from "fast-check";
import { expect, it } from "vitest";
import { SmallSet } from "./small-set.ts";

it("is what a Set is, however many members come and go", () => {
  const step = fc.tuple(fc.constantFrom("add", "add", "delete"), fc.nat(40));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [small, set] = [new SmallSet<number>(), new Set<number>()];
      for (const [what, item] of steps) {
        if (what === "delete") expect(small.delete(item)).toBe(set.delete(item));
        else {
          small.add(item);
          set.add(item);
        }
        expect(small.size).toBe(set.size);
        expect(small.has(item)).toBe(set.has(item));
      }
      expect(new Set(small)).toEqual(set);
      expect([...small]).toHaveLength(set.size);
    }),
  );
});
