import type { PodNetworking } from "../../../../api/kinds/pod-networking.ts";
import { networksOf } from "../../../../plan/subnets/pod-network.ts";
import { podName } from "../../../ends.ts";
import { networkPods } from "../../network-pods.ts";
import type { Rule } from "../../rule.ts";

export const networksOverlap: Rule = {
  id: "TL038",
  name: "networks-overlap",
  severity: "warning",
  summary: "two PodNetworkings match the same pod",
  explanation:
    "A pod has one network: the oldest PodNetworking wins, then the first by name, so that which one it is depends on the " +
    "order in which they were made. Both objects have the condition Conflict then.",
  *check(view) {
    const networks = [...view.facts.podNetworkings.values()];
    if (networks.length < 2) return;
    const told = new Map<string, { readonly others: Set<string>; readonly pod: string }>();
    for (const pod of networkPods(view)) {
      const names = networksOf(pod, view.facts.namespaces.get(pod.metadata.namespace ?? ""), networks).map(
        ({ metadata }) => metadata.name,
      );
      if (names.length < 2) continue;
      for (const name of names) {
        const known = told.get(name) ?? { others: new Set<string>(), pod: podName(pod) };
        for (const other of names) if (other !== name) known.others.add(other);
        told.set(name, known);
      }
    }
    for (const on of view.written) {
      const found = on.object.kind === "PodNetworking" ? told.get(on.object.metadata.name) : undefined;
      if (!found || !Reflect.has(on.object as PodNetworking, "spec")) continue;
      const others = [...found.others].toSorted().map((name) => `podnetworking/${name}`);
      yield {
        on,
        path: ["spec", "selector"],
        message: `it matches ${found.pod}, and so does ${others.join(", ")}`,
        fix: "Let the selectors exclude each other.",
      };
    }
  },
};
