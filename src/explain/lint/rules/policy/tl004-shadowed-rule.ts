import { formatPath } from "../../../../base/problem.ts";
import { selectorCovers } from "../../../policies/selectors.ts";
import { ruleCovers } from "../../covers.ts";
import type { Rule } from "../../rule.ts";
import type { PolicyView, RuleView } from "../../view.ts";

export const shadowedRule: Rule = {
  id: "TL004",
  name: "shadowed-rule",
  severity: "warning",
  summary: "a rule allows nothing that a wider rule does not allow already",
  explanation:
    "What policies allow is the union of all their rules. A rule inside a wider one changes nothing, which often means " +
    "that the wider rule allows more than its author wanted.",
  *check(view) {
    const bySpace = Map.groupBy(view.policies, (policy) => policy.namespace);
    for (const policies of bySpace.values()) {
      for (const policy of policies) {
        for (const rule of policy.rules) {
          if (!rule.holds) continue;
          const wider = widerRule(policies, policy, rule);
          if (!wider) continue;
          const place = wider.policy === policy ? "of the same policy" : `of policy ${wider.policy.name}`;
          yield {
            on: policy.on,
            path: rule.path,
            message: `${formatPath(rule.path)} is inside ${formatPath(wider.rule.path)} ${place} and allows nothing more`,
            fix: "Remove this rule, or narrow the wider one if it allows more than it should.",
          };
        }
      }
    }
  },
};

function widerRule(
  policies: readonly PolicyView[],
  policy: PolicyView,
  rule: RuleView,
): { policy: PolicyView; rule: RuleView } | undefined {
  for (const other of policies) {
    if (other !== policy && !selectorCovers(other.selector, policy.selector)) continue;
    for (const wide of other.rules) {
      // One that is invalid, or whose policy is, may allow less than is written, or nothing.
      if (wide === rule || !wide.holds) continue;
      if (!ruleCovers(wide, rule, policy.namespace)) continue;
      // Of two equal rules only the later one is reported; equal policies are another rule's business.
      if (isTwin(policy, rule, other, wide)) continue;
      return { policy: other, rule: wide };
    }
  }
  return undefined;
}

function isTwin(policy: PolicyView, rule: RuleView, other: PolicyView, wide: RuleView): boolean {
  if (!ruleCovers(rule, wide, policy.namespace)) return false;
  if (other === policy) return wide.index > rule.index;
  return selectorCovers(policy.selector, other.selector);
}
