import { formatSelector } from "../../../policies/selectors.ts";
import type { Rule } from "../../rule.ts";

export const selectsNothing: Rule = {
  id: "TL001",
  name: "selects-nothing",
  severity: "warning",
  summary: "a policy's podSelector matches no pod of its namespace",
  explanation:
    "A policy protects the pods that its podSelector matches, and only those of its own namespace. One that matches " +
    "none has no effect: the pods that it was written for stay open.",
  *check(view) {
    if (view.subjects.length === 0) return;
    for (const policy of view.policies) {
      if (view.selectedBy(policy).length > 0) continue;
      const there = view.subjectsIn(policy.namespace).length;
      const what = formatSelector(policy.selector);
      yield {
        on: policy.on,
        path: ["spec", "podSelector"],
        message:
          there === 0
            ? `namespace ${policy.namespace} has no pods for the policy to select`
            : `podSelector ${what} matches none of the ${there} pods and workloads of namespace ${policy.namespace}`,
        fix: "Compare the selector with the labels of the pod template, and the namespace with the workload's.",
      };
    }
  },
};
