// StatefulSet: pods NAME-0, NAME-1, … that keep their names. With OrderedReady one step is taken at a time: the next pod
// only when all before it are ready, and from the highest number downwards when there are fewer. Pure.
import { isTerminal, type Pod } from "../../api/kinds/core.ts";
import type { StatefulSet } from "../../api/kinds/workloads.ts";
import { controllerOf, isActive, isReady, templateHash } from "./pods.ts";

export interface OrdinalPlan {
  readonly hash: string;
  /** Ordinals to create now. */
  readonly create: readonly number[];
  readonly remove: readonly Pod[];
  readonly status: { readonly replicas: number; readonly readyReplicas: number };
}

/** Plans the next step; `pods` are those of the set's namespace. */
export function planOrdinals(set: StatefulSet, pods: readonly Pod[]): OrdinalPlan {
  const want = set.spec.replicas ?? 1;
  const hash = templateHash(set.spec.template);
  const mine = new Map<number, Pod>();
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal !== undefined && controllerOf(pod) === set.metadata.uid) mine.set(ordinal, pod);
  }
  const active = [...mine.values()].filter(isActive);
  const status = { replicas: active.length, readyReplicas: active.filter(isReady).length };
  const step = set.spec.podManagementPolicy === "Parallel" ? allAtOnce(want, mine) : oneByOne(want, mine);
  if (step.create.length + step.remove.length > 0 || active.length < want || mine.size > want) {
    return { hash, status, ...step };
  }
  return { hash, status, create: [], remove: outdated(mine, hash) };
}

type Step = Pick<OrdinalPlan, "create" | "remove">;

function oneByOne(want: number, mine: ReadonlyMap<number, Pod>): Step {
  for (let ordinal = 0; ordinal < want; ordinal++) {
    const pod = mine.get(ordinal);
    if (!pod) return { create: [ordinal], remove: [] };
    if (isTerminal(pod) && pod.metadata.deletionTimestamp === undefined) return { create: [], remove: [pod] };
    if (!isActive(pod) || !isReady(pod)) return { create: [], remove: [] };
  }
  const last = Math.max(...mine.keys());
  const pod = last >= want ? mine.get(last) : undefined;
  return { create: [], remove: pod && pod.metadata.deletionTimestamp === undefined ? [pod] : [] };
}

function allAtOnce(want: number, mine: ReadonlyMap<number, Pod>): Step {
  const create = Array.from({ length: want }, (_, ordinal) => ordinal).filter(
    (ordinal) => !mine.has(ordinal),
  );
  const remove = [...mine].filter(
    ([ordinal, pod]) => pod.metadata.deletionTimestamp === undefined && (ordinal >= want || isTerminal(pod)),
  );
  return { create, remove: remove.map(([, pod]) => pod) };
}

/** The highest pod of an earlier template, once all are ready. */
function outdated(mine: ReadonlyMap<number, Pod>, hash: string): Pod[] {
  if (![...mine.values()].every((pod) => isActive(pod) && isReady(pod))) return [];
  const stale = [...mine].filter(([, pod]) => pod.metadata.labels?.["controller-revision-hash"] !== hash);
  return stale
    .toSorted(([a], [b]) => b - a)
    .slice(0, 1)
    .map(([, pod]) => pod);
}

function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const { name } = pod.metadata;
  const digits = name.slice(prefix.length);
  return name.startsWith(prefix) && /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}
