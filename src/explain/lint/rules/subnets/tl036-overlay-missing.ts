import { overlayLabel } from "../../../../plan/subnets/node-config.ts";
import { configTexts } from "../../node-configs.ts";
import type { Rule } from "../../rule.ts";

export const overlayMissing: Rule = {
  id: "TL036",
  name: "overlay-missing",
  severity: "error",
  summary: "a node's label names an overlay of eni-config that is not there",
  explanation:
    "Pods of such a node wait until the ConfigMap is there: nothing falls back to the base. The ConfigMap stands in " +
    "kube-system, and its key eni_conf holds the text.",
  *check(view) {
    const there = new Set([...configTexts(view)].map(({ key }) => key));
    for (const on of view.written) {
      const name = on.object.metadata.labels?.[overlayLabel];
      if (on.object.kind !== "Node" || name === undefined || there.has(`kube-system/${name}`)) continue;
      const exists = view.written.some(
        ({ object }) =>
          object.kind === "ConfigMap" &&
          object.metadata.namespace === "kube-system" &&
          object.metadata.name === name,
      );
      yield {
        on,
        path: ["metadata", "labels", overlayLabel],
        message: exists
          ? `ConfigMap kube-system/${name} has no key eni_conf, so no pod starts on this node`
          : `there is no ConfigMap kube-system/${name}, so no pod starts on this node`,
        fix: `Apply ConfigMap kube-system/${name} with eni_conf, or take the label away: kubectl label node ${on.object.metadata.name} ${overlayLabel}-`,
      };
    }
  },
};
