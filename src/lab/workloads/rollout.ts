// Deployment: which ReplicaSets it should have and how many replicas each, step by step, so that never more than a
// quarter is missing or in excess (Kubernetes' default, or what spec.strategy says). Pure.
import type { Deployment, ReplicaSet } from "../../api/kinds/workloads.ts";
import { templateHash } from "./pods.ts";

export interface RolloutPlan {
  /** Name and hash of the ReplicaSet for the present template. */
  readonly current: { readonly name: string; readonly hash: string; readonly replicas: number };
  /** New sizes of ReplicaSets of earlier templates, by name; only those that change. */
  readonly old: ReadonlyMap<string, number>;
  /** Old ones beyond the ten that are kept. */
  readonly forget: readonly ReplicaSet[];
  readonly status: {
    readonly replicas: number;
    readonly readyReplicas: number;
    readonly updatedReplicas: number;
  };
}

const KEPT = 10;

interface Strategy {
  readonly type?: string;
  readonly rollingUpdate?: { readonly maxSurge?: number | string; readonly maxUnavailable?: number | string };
}

/** Plans the next step; `sets` are the Deployment's own ReplicaSets. */
export function planRollout(deployment: Deployment, sets: readonly ReplicaSet[]): RolloutPlan {
  const want = deployment.spec.replicas ?? 1;
  const hash = templateHash(deployment.spec.template);
  const name = `${deployment.metadata.name}-${hash}`;
  const fresh = sets.find((set) => set.metadata.name === name);
  const old = sets.filter((set) => set !== fresh);
  const { surge, missing, recreate } = limits(deployment, want);
  const oldSize = sum(old, (set) => size(set));
  const freshSize = fresh ? size(fresh) : 0;

  const room = recreate && sum(old, (set) => set.status?.replicas ?? 0) > 0 ? 0 : want + surge - oldSize;
  const replicas = freshSize > want ? want : Math.max(freshSize, Math.min(want, room));
  const freshReady = Math.min(fresh?.status?.readyReplicas ?? 0, freshSize);
  const oldReady = sum(old, (set) => Math.min(set.status?.readyReplicas ?? 0, size(set)));
  // Old pods that do not serve may always go; those that serve only while enough others do.
  const spare = recreate
    ? oldSize
    : oldSize - oldReady + Math.max(0, freshReady + oldReady - (want - missing));
  return {
    current: { name, hash, replicas },
    old: shrink(old, Math.min(spare, oldSize)),
    forget: old
      .filter((set) => size(set) === 0 && (set.status?.replicas ?? 0) === 0)
      .toSorted((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))
      .slice(KEPT),
    status: {
      replicas: sum(sets, (set) => set.status?.replicas ?? 0),
      readyReplicas: sum(sets, (set) => set.status?.readyReplicas ?? 0),
      updatedReplicas: fresh?.status?.replicas ?? 0,
    },
  };
}

function limits(deployment: Deployment, want: number) {
  const strategy = (deployment.spec as { strategy?: Strategy }).strategy ?? {};
  const surge = share(strategy.rollingUpdate?.maxSurge ?? "25%", want, Math.ceil);
  const missing = share(strategy.rollingUpdate?.maxUnavailable ?? "25%", want, Math.floor);
  // Both zero could never move.
  return { surge, missing: surge + missing === 0 ? 1 : missing, recreate: strategy.type === "Recreate" };
}

function share(value: number | string, of: number, round: (n: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseFloat(value) / 100) * of);
}

function shrink(old: readonly ReplicaSet[], spare: number): Map<string, number> {
  const changes = new Map<string, number>();
  let left = spare;
  const least = (set: ReplicaSet): number => set.status?.readyReplicas ?? 0;
  for (const set of old.toSorted((a, b) => least(a) - least(b))) {
    const cut = Math.min(left, size(set));
    if (cut <= 0) continue;
    changes.set(set.metadata.name, size(set) - cut);
    left -= cut;
  }
  return changes;
}

function size(set: ReplicaSet): number {
  return set.spec.replicas ?? 1;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
