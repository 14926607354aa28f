import { formatPosition } from "../../../../base/problem.ts";
import type { Rule } from "../../rule.ts";
import { nameOf } from "../../written.ts";

export const duplicateObject: Rule = {
  id: "TL006",
  name: "duplicate-object",
  severity: "error",
  summary: "the same object stands twice in the manifests",
  explanation:
    "Objects are told apart by kind, namespace and name. Of two with the same, the one that is applied last wins, and " +
    "which one that is depends on the order of files.",
  *check(view) {
    const groups = Map.groupBy(view.written, (item) => `${item.object.apiVersion} ${nameOf(item.object)}`);
    for (const [first, ...again] of groups.values()) {
      for (const item of again) {
        const place = first?.at(["metadata", "name"]);
        yield {
          on: item,
          path: ["metadata", "name"],
          message: `${nameOf(item.object)} is declared again${place ? `; the first stands at ${formatPosition(place)}` : ""}`,
          fix: "Give one of them another name or namespace, or remove it.",
        };
      }
    }
  },
};
