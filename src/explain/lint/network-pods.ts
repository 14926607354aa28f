// The pods that rules about PodNetworkings ask for: those that stand for a workload's belong to it, as the real ones will.
import type { Pod } from "../../api/kinds/core.ts";
import { isStandIn } from "../manifests/workloads.ts";
import type { LintView } from "./view.ts";

export function networkPods({ facts, written }: LintView): readonly Pod[] {
  const kinds = new Map(written.map(({ object }) => [object.kind.toLowerCase(), object]));
  return [...facts.pods.values()].map((pod) => {
    if (!isStandIn(pod)) return pod;
    const [kind = "", name = ""] = pod.metadata.name.split("/");
    const owner = kinds.get(kind);
    const { apiVersion = "", kind: ownKind = kind } = owner ?? {};
    const ownerReferences = [{ apiVersion, kind: ownKind, name, uid: pod.metadata.uid, controller: true }];
    return { ...pod, metadata: { ...pod.metadata, ownerReferences } };
  });
}
