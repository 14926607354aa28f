import type { Rule } from "../../rule.ts";

export const directionNotListed: Rule = {
  id: "TL008",
  name: "direction-not-listed",
  severity: "warning",
  summary: "rules are written for a direction that policyTypes leaves out",
  explanation:
    "policyTypes says which directions a policy governs. Rules for a direction that it does not list are ignored " +
    "without a word: the pods stay open in that direction.",
  *check(view) {
    for (const policy of view.policies) {
      const missing = new Set(
        policy.rules.map((rule) => rule.direction).filter((type) => !policy.types.has(type)),
      );
      for (const direction of missing) {
        yield {
          on: policy.on,
          path: ["spec", direction === "Ingress" ? "ingress" : "egress"],
          message: `policyTypes of ${policy.name} does not list ${direction}, so its ${direction.toLowerCase()} rules are ignored`,
          fix: `Add ${direction} to policyTypes, or remove the rules.`,
          change: { what: "append", path: ["spec", "policyTypes"], item: direction },
          corrected: "policyTypes:\n- Ingress\n- Egress\n",
        };
      }
    }
  },
};
