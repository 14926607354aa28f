// ReplicationController and ReplicaSet: keep that many pods. Pure: what to adopt, release, create and delete.
import type { LabelSelector, Pod } from "../../api/kinds/core.ts";
import type { KubeObject } from "../../api/object.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { controllerOf, isActive, isReady } from "./pods.ts";

export interface ReplicaPlan {
  /** Pods that match and have no controller: they become ours. */
  readonly adopt: readonly Pod[];
  /** Ours, but their labels no longer match: they become nobody's. */
  readonly release: readonly Pod[];
  readonly create: number;
  readonly remove: readonly Pod[];
  readonly status: { readonly replicas: number; readonly readyReplicas: number };
}

/** Plans for an owner with that selector and number of replicas; of `pods` those of its namespace count. */
export function planReplicas(
  owner: KubeObject,
  selector: LabelSelector,
  replicas: number,
  pods: Iterable<Pod>,
): ReplicaPlan {
  const { uid, namespace } = owner.metadata;
  const [mine, adopt, release]: [Pod[], Pod[], Pod[]] = [[], [], []];
  // Once through all of them: it is done again whenever one of them changes.
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (controller !== undefined && controller !== uid) continue;
    if (pod.metadata.namespace !== namespace || !isActive(pod)) continue;
    const list = matchesSelector(selector, pod.metadata.labels) ? mine : release;
    if (controller === uid) list.push(pod);
    else if (list === mine) adopt.push(pod);
  }
  const active = [...mine, ...adopt];
  const surplus = active.length - replicas;
  return {
    adopt,
    release,
    create: Math.max(0, -surplus),
    remove: surplus > 0 ? active.toSorted(firstToGo).slice(0, surplus) : [],
    status: { replicas: active.length, readyReplicas: active.filter(isReady).length },
  };
}

/** The order in which pods are given up: what serves least and has run shortest goes first. */
function firstToGo(a: Pod, b: Pod): number {
  return (
    rank(a) - rank(b) ||
    compare(b.metadata.creationTimestamp, a.metadata.creationTimestamp) ||
    compare(b.metadata.name, a.metadata.name)
  );
}

function rank(pod: Pod): number {
  if (pod.spec.nodeName === undefined) return 0;
  if (pod.status?.phase !== "Running") return 1;
  return isReady(pod) ? 3 : 2;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
