// Conditions of objects: one of a type, which says since when it is as it is.
import type { Condition } from "./kinds/core.ts";

/**
 * Returns the conditions with a new one in the place of the one of its type, or behind all others. Its time is that of
 * the one before as long as both have the same status.
 * @param at RFC 3339
 */
export function withCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, "lastTransitionTime">,
  at: string,
): Condition[] {
  const before = conditions.find(({ type }) => type === condition.type);
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? at) : at;
  const fresh = { ...condition, lastTransitionTime };
  return before ? conditions.map((one) => (one === before ? fresh : one)) : [...conditions, fresh];
}
