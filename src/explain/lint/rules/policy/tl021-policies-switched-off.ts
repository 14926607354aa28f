import type { ConfigMap } from "../../../../api/kinds/core.ts";
import { readSwitch } from "../../../../plan/policy/index.ts";
import type { Rule } from "../../rule.ts";
import { nameOf, type Written } from "../../written.ts";

const own = "disable_network_policy";

export const policiesSwitchedOff: Rule = {
  id: "TL021",
  name: "policies-switched-off",
  severity: "warning",
  summary: "eni-config switches NetworkPolicy off while policies exist",
  explanation:
    "With disable_network_policy in kube-system/eni-config no policy is enforced on any node. Policies can still be " +
    "applied and look as if they worked.",
  *check(view) {
    const [first] = view.policies;
    if (!first) return;
    for (const item of view.written) {
      if (!isEniConfig(item)) continue;
      const alone = { configMaps: new Map([["kube-system/eni-config", item.object]]) };
      if (readSwitch(alone).enforced) continue;
      yield {
        on: item,
        path: ["data", Object.hasOwn(item.object.data ?? {}, own) ? own : "eni_conf"],
        message: `${nameOf(item.object)} switches off ${view.policies.length === 1 ? "the only policy" : `all ${view.policies.length} policies`}`,
        fix: 'Remove disable_network_policy, or set it to "false".',
      };
    }
  },
};

function isEniConfig(item: Written): item is Written<ConfigMap> {
  const { kind, metadata } = item.object;
  return kind === "ConfigMap" && metadata.name === "eni-config" && metadata.namespace === "kube-system";
}
