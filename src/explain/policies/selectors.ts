// What lint and answers need of label selectors beyond matching: words, and whether one holds another.
import type { LabelRequirement, LabelSelector } from "../../api/kinds/core.ts";
import { selectorText } from "../../api/selectors/selectors.ts";

/** Returns a selector's requirements; matchLabels become `In` with one value. */
function requirementsOf(selector: LabelSelector): readonly LabelRequirement[] {
  const equal = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): LabelRequirement => ({ key, operator: "In", values: [value] }),
  );
  return [...equal, ...(selector.matchExpressions ?? [])];
}

/** Returns kubectl's text of a selector, or `{}` for the one that matches everything. */
export function formatSelector(selector: LabelSelector): string {
  return selectorText(selector) || "{}";
}

/** Returns whether everything that `inner` selects is surely selected by `outer`, judged by what is written. */
export function selectorCovers(outer: LabelSelector, inner: LabelSelector): boolean {
  const have = requirementsOf(inner);
  return requirementsOf(outer).every((need) => have.some((requirement) => implies(requirement, need)));
}

function implies(given: LabelRequirement, need: LabelRequirement): boolean {
  if (given.key !== need.key) return false;
  const mine = given.values ?? [];
  const theirs = need.values ?? [];
  if (need.operator === "In") return given.operator === "In" && mine.every((value) => theirs.includes(value));
  if (need.operator === "Exists") return given.operator === "In" || given.operator === "Exists";
  if (need.operator === "DoesNotExist") return given.operator === "DoesNotExist";
  if (given.operator === "DoesNotExist") return true;
  if (given.operator === "In") return mine.every((value) => !theirs.includes(value));
  return given.operator === "NotIn" && theirs.every((value) => mine.includes(value));
}
