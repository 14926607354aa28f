// Job: pods run beside each other until enough have succeeded, or too many have failed. Pure.
import type { Condition, Pod } from "../../api/kinds/core.ts";
import type { Job } from "../../api/kinds/workloads.ts";
import { controllerOf, isActive, isReady } from "./pods.ts";

export interface JobPlan {
  /** How many pods to create now. */
  readonly create: number;
  readonly remove: readonly Pod[];
  readonly status: NonNullable<Job["status"]>;
}

const MOST_FAILURES = 6;

/** Returns how a Job has ended; undefined: it has not. */
export function endOfJob({ status }: Job): Condition | undefined {
  return status?.conditions?.find(
    ({ type, status: holds }) => (type === "Complete" || type === "Failed") && holds === "True",
  );
}

/**
 * Plans the next step; `pods` are those of the Job's namespace.
 * @param now of the lab's clock, as stamps have it
 */
export function planJob(job: Job, pods: readonly Pod[], now: string): JobPlan {
  const { parallelism = 1, completions, suspend = false, backoffLimit = MOST_FAILURES } = job.spec;
  const mine = pods.filter((pod) => controllerOf(pod) === job.metadata.uid);
  const active = mine.filter(isActive);
  const count = (phase: string) => mine.filter((pod) => pod.status?.phase === phase).length;
  const figures = { succeeded: count("Succeeded"), failed: count("Failed") };
  const { succeeded, failed } = figures;
  const before = endOfJob(job);
  // What has ended stays as it was, whatever becomes of its pods.
  if (before) return { create: 0, remove: active, status: { ...job.status, active: 0, ready: 0 } };
  const isComplete =
    completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  const ended = isComplete
    ? { type: "Complete", reason: "CompletionsReached", message: "enough pods have succeeded" }
    : failed > backoffLimit
      ? {
          type: "Failed",
          reason: "BackoffLimitExceeded",
          message: `more than ${backoffLimit} pods have failed`,
        }
      : undefined;
  // Without a number of completions one success is enough, and no pod is made after it.
  const left =
    completions === undefined ? (succeeded > 0 ? active.length : parallelism) : completions - succeeded;
  const want = suspend || ended ? 0 : Math.max(0, Math.min(parallelism, left));
  // Those that serve go last.
  const byUse = active.toSorted((a, b) => Number(isReady(a)) - Number(isReady(b)));
  return {
    create: Math.max(0, want - active.length),
    remove: byUse.slice(0, Math.max(0, active.length - want)),
    status: {
      active: ended ? 0 : active.length,
      ready: ended ? 0 : active.filter(isReady).length,
      ...figures,
      ...(!suspend && { startTime: job.status?.startTime ?? now }),
      ...(ended && { conditions: [{ ...ended, status: "True", lastTransitionTime: now }] }),
      ...(ended?.type === "Complete" && { completionTime: now }),
    },
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
