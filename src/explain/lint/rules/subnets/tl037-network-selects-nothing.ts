import type { Pod } from "../../../../api/kinds/core.ts";
import type { PodNetworking } from "../../../../api/kinds/pod-networking.ts";
import { hasFixedName, networksOf } from "../../../../plan/subnets/pod-network.ts";
import { networkPods } from "../../network-pods.ts";
import type { Rule } from "../../rule.ts";
import type { LintView } from "../../view.ts";
import type { Written } from "../../written.ts";

export const networkSelectsNothing: Rule = {
  id: "TL037",
  name: "network-selects-nothing",
  severity: "warning",
  summary: "a PodNetworking matches no pod",
  explanation:
    "Pods that were meant for it run on the shared network, with other addresses and other security groups, and nothing " +
    "says so. Both selectors must match where both are given; without any it matches nothing; one with fixed addresses is for " +
    "pods that keep their names only.",
  *check(view) {
    const pods = networkPods(view);
    for (const on of view.written) {
      if (!isNetwork(on)) continue;
      const { selector, allocationType } = on.object.spec;
      if (selector?.podSelector === undefined && selector?.namespaceSelector === undefined) {
        yield { on, path: ["spec", "selector"], message: "it has no selector, and so matches no pod" };
        continue;
      }
      // Without pods among the objects nobody can tell.
      if (pods.length === 0 || pods.some((pod) => isMatched(view, pod, on.object))) continue;
      const elastic: PodNetworking = {
        ...on.object,
        spec: { ...on.object.spec, allocationType: { type: "Elastic" } },
      };
      const others = pods.filter((pod) => isMatched(view, pod, elastic));
      if (allocationType?.type === "Fixed" && others.length > 0) {
        const [first] = others.filter((pod) => !hasFixedName(pod));
        const owner =
          first?.metadata.ownerReferences?.find(({ controller }) => controller === true)?.kind ?? "workload";
        yield {
          on,
          path: ["spec", "allocationType", "type"],
          message: `it is Fixed, and all pods that its selectors match are of a ${owner}: their names change`,
          fix: "Run them as a StatefulSet, or let the network be Elastic.",
        };
        continue;
      }
      yield { on, path: ["spec", "selector"], message: "its selectors match no pod" };
    }
  },
};

function isNetwork(item: Written): item is Written<PodNetworking> {
  return item.object.kind === "PodNetworking" && Reflect.has(item.object, "spec");
}

function isMatched({ facts }: LintView, pod: Pod, network: PodNetworking): boolean {
  return networksOf(pod, facts.namespaces.get(pod.metadata.namespace ?? ""), [network]).length > 0;
}
