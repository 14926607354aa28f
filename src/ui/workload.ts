// The workload that a pod is of, by what the pod says itself: answers are made of what is known of pods.
import type { Pod } from "../api/kinds/core.ts";

export interface Workload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Returns it; a pod of none is its own. A Deployment is known by the hash in its ReplicaSet's name. */
export function workloadOf(pod: Pod): Workload {
  const { namespace = "default", name, labels, ownerReferences = [] } = pod.metadata;
  const owner = ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0];
  if (!owner) return { kind: "Pod", namespace, name };
  const hash = labels?.["pod-template-hash"];
  if (owner.kind === "ReplicaSet" && hash !== undefined && owner.name.endsWith(`-${hash}`))
    return { kind: "Deployment", namespace, name: owner.name.slice(0, -hash.length - 1) };
  return { kind: owner.kind, namespace, name: owner.name };
}

/** Returns `deployment/NAMESPACE/NAME`, as a question names it. */
export function workloadName({ kind, namespace, name }: Workload): string {
  return `${kind.toLowerCase()}/${namespace}/${name}`;
}
