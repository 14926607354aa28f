import { selectorCovers } from "../../../policies/selectors.ts";
import { ruleCovers } from "../../covers.ts";
import type { Rule } from "../../rule.ts";
import type { PolicyView } from "../../view.ts";

export const duplicatePolicy: Rule = {
  id: "TL005",
  name: "duplicate-policy",
  severity: "warning",
  summary: "two policies of a namespace say the same under different names",
  explanation:
    "Two policies that select the same pods and allow the same traffic are one too many: when one is changed or removed " +
    "later, the other quietly keeps the old state in force.",
  *check(view) {
    // What is invalid says less than is written.
    const valid = view.policies.filter(({ compiled }) => compiled.problems.length === 0);
    const groups = Map.groupBy(valid, (policy) => `${policy.namespace} ${policy.rules.length}`);
    for (const policies of groups.values()) {
      for (const [index, policy] of policies.entries()) {
        const twin = policies
          .slice(0, index)
          .find((other) => other.name !== policy.name && isSame(other, policy));
        if (!twin) continue;
        yield {
          on: policy.on,
          path: ["spec"],
          message: `policies ${twin.name} and ${policy.name} of namespace ${policy.namespace} say the same`,
          fix: `Keep one of them: remove ${policy.name}.`,
        };
      }
    }
  },
};

function isSame(a: PolicyView, b: PolicyView): boolean {
  if (a.types.symmetricDifference(b.types).size > 0) return false;
  if (!selectorCovers(a.selector, b.selector) || !selectorCovers(b.selector, a.selector)) return false;
  return contains(a, b) && contains(b, a);
}

function contains(a: PolicyView, b: PolicyView): boolean {
  return b.rules.every((rule) => a.rules.some((wide) => ruleCovers(wide, rule, a.namespace)));
}
