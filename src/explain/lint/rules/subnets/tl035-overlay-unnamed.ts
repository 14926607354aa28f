import { baseConfigKey, overlayLabel } from "../../../../plan/subnets/node-config.ts";
import { configTexts } from "../../node-configs.ts";
import type { Rule } from "../../rule.ts";
import { nameOf } from "../../written.ts";

export const overlayUnnamed: Rule = {
  id: "TL035",
  name: "overlay-unnamed",
  severity: "warning",
  summary: "a ConfigMap is written to be laid over eni-config, and no node's label names it",
  explanation:
    "A node takes an overlay only if its label terway-config names it. One that nobody names has no effect: pods get " +
    "addresses by the base, as if it were not there.",
  *check(view) {
    const nodes = [...view.facts.nodes.values()];
    // Without nodes among the objects nobody can tell.
    if (nodes.length === 0) return;
    const named = new Set(nodes.map(({ metadata }) => metadata.labels?.[overlayLabel]));
    for (const { on, key } of configTexts(view)) {
      if (key === baseConfigKey || named.has(on.object.metadata.name)) continue;
      yield {
        on,
        path: ["metadata", "name"],
        message: `no node has the label ${overlayLabel}: ${on.object.metadata.name}, so ${nameOf(on.object)} has no effect`,
        fix: `Label the nodes that it is for: kubectl label node NODE ${overlayLabel}=${on.object.metadata.name}`,
      };
    }
  },
};
