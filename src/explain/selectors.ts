// Label selectors as the API machinery reads them.
import type { LabelRequirement, LabelSelector } from "../api/kinds/core.ts";

type Labels = Readonly<Record<string, string>> | undefined;

/** Returns whether a selector matches labels; `{}` matches everything, and NotIn matches an absent key. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  return requirementsOf(selector).every((requirement) => meets(requirement, labels));
}

function meets(requirement: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case "In":
      return value !== undefined && (requirement.values ?? []).includes(value);
    case "NotIn":
      return value === undefined || !(requirement.values ?? []).includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** Returns a selector's requirements; matchLabels become `In` with one value. */
export function requirementsOf(selector: LabelSelector): readonly LabelRequirement[] {
  const equal = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): LabelRequirement => ({ key, operator: "In", values: [value] }),
  );
  return [...equal, ...(selector.matchExpressions ?? [])];
}

/** Returns `role=apps,tier in (a,b)`, or `every` for the empty selector. */
export function formatSelector(selector: LabelSelector): string {
  const parts = requirementsOf(selector).map(({ key, operator, values = [] }) => {
    if (operator === "In" && values.length === 1) return `${key}=${values[0]}`;
    if (operator === "In") return `${key} in (${values.join(",")})`;
    if (operator === "NotIn") return `${key} notin (${values.join(",")})`;
    return operator === "Exists" ? key : `!${key}`;
  });
  return parts.length === 0 ? "every" : parts.join(",");
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
