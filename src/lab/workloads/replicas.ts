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
    remove: surplus > 0 ? inOrderToGo(active).slice(0, surplus) : [],
    status: { replicas: active.length, readyReplicas: active.filter(isReady).length },
  };
}

/**
 * Returns pods as they are given up: what serves least goes first, then what has most of its kind beside it on its node, then
 * what has run shortest. So those that stay are spread as those that were there.
 */
function inOrderToGo(pods: readonly Pod[]): Pod[] {
  const beside = new Map<Pod, number>();
  const onNode = new Map<string | undefined, number>();
  // Those that stay the longest are counted first: each is one of so many that would be left.
  for (const pod of pods.toSorted((a, b) => rank(b) - rank(a) || compareAge(a, b))) {
    const count = (onNode.get(pod.spec.nodeName) ?? 0) + 1;
    onNode.set(pod.spec.nodeName, count);
    beside.set(pod, count);
  }
  const left = (pod: Pod): number => beside.get(pod) ?? 0;
  return pods.toSorted((a, b) => rank(a) - rank(b) || left(b) - left(a) || compareAge(b, a));
}

function compareAge({ metadata: a }: Pod, { metadata: b }: Pod): number {
  return compare(a.creationTimestamp, b.creationTimestamp) || compare(a.name, b.name);
}

function rank(pod: Pod): number {
  if (pod.spec.nodeName === undefined) return 0;
  if (pod.status?.phase !== "Running") return 1;
  return isReady(pod) ? 3 : 2;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
