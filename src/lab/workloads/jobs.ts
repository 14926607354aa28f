// Job: pods run beside each other until enough have succeeded. In a lab nothing ends by itself, so the pods of a Job run
// on until somebody deletes it or suspends it. Pure.
import type { Pod } from "../../api/kinds/core.ts";
import type { Job } from "../../api/kinds/workloads.ts";
import { controllerOf, isActive, isReady } from "./pods.ts";

export interface JobPlan {
  /** How many pods to create now. */
  readonly create: number;
  readonly remove: readonly Pod[];
  readonly status: NonNullable<Job["status"]>;
}

/** Plans the next step; `pods` are those of the Job's namespace. */
export function planJob(job: Job, pods: readonly Pod[]): JobPlan {
  const { parallelism = 1, completions, suspend = false } = job.spec;
  const mine = pods.filter((pod) => controllerOf(pod) === job.metadata.uid);
  const active = mine.filter(isActive);
  const ended = (phase: string) => mine.filter((pod) => pod.status?.phase === phase).length;
  const [succeeded, failed] = [ended("Succeeded"), ended("Failed")];
  // Without a number of completions one success is enough, and no pod is made after it.
  const left =
    completions === undefined ? (succeeded > 0 ? active.length : parallelism) : completions - succeeded;
  const want = suspend ? 0 : Math.max(0, Math.min(parallelism, left));
  // Those that serve go last.
  const byUse = active.toSorted((a, b) => Number(isReady(a)) - Number(isReady(b)));
  return {
    create: Math.max(0, want - active.length),
    remove: byUse.slice(0, Math.max(0, active.length - want)),
    status: { active: active.length, ready: active.filter(isReady).length, succeeded, failed },
  };
}

/** The labels by which a Job's pods are found. */
export function jobLabels({ metadata: { name, uid } }: Job): Record<string, string> {
  return {
    "job-name": name,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "batch.kubernetes.io/controller-uid": uid,
  };
}
