// CronJob: a Job each time that its schedule says, by the lab's clock; ended ones are kept for a while. Pure.
import type { CronJob, Job } from "../../api/kinds/workloads.ts";
import type { Draft } from "../../api/object.ts";
import { endOfJob } from "./jobs.ts";
import { controllerOf, controllerReference } from "./pods.ts";
import { readSchedule } from "./schedule.ts";

export interface CronPlan {
  /** The Job that is due. */
  readonly create: Draft<Job> | undefined;
  readonly remove: readonly Job[];
  readonly status: NonNullable<CronJob["status"]>;
  /** When to look again, in milliseconds since 1970. */
  readonly wakeAt: number | undefined;
}

/** Of times that were missed only the last counts; more than that are not gone through one by one. */
const MOST_MISSED = 10_000;
const stamp = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * Plans the next step of a CronJob.
 * @param jobs those of its namespace
 * @param now milliseconds since 1970, by the lab's clock
 * @param since when it was seen first: nothing before that was missed
 */
export function planCron(cron: CronJob, jobs: readonly Job[], now: number, since: number): CronPlan {
  const { spec, metadata } = cron;
  const { suspend = false, concurrencyPolicy = "Allow" } = spec;
  const mine = jobs.filter(
    (job) => controllerOf(job) === metadata.uid && job.metadata.deletionTimestamp === undefined,
  );
  const active = mine.filter((job) => !endOfJob(job));
  const schedule = readSchedule(spec.schedule ?? "", spec.timeZone);
  const last = Date.parse(cron.status?.lastScheduleTime ?? "") || undefined;
  const due = schedule && lastDue(schedule, Math.max(last ?? since, deadlineOf(cron, now)), now);
  const isHeldUp = due === undefined || suspend || (concurrencyPolicy === "Forbid" && active.length > 0);
  const create = isHeldUp ? undefined : jobOf(cron, due);
  const replaced = create && concurrencyPolicy === "Replace" ? active : [];
  const staying = active.filter((job) => !replaced.includes(job)).map((job) => job.metadata.name);
  return {
    create,
    remove: [...replaced, ...tooOld(cron, mine)],
    status: {
      active: [...staying, ...(create ? [create.metadata.name] : [])].map((name) => ({ name })),
      ...(cron.status?.lastScheduleTime !== undefined && {
        lastScheduleTime: cron.status.lastScheduleTime,
      }),
      ...(create && due !== undefined && { lastScheduleTime: stamp(due) }),
      ...lastSuccess(cron, mine),
    },
    wakeAt: suspend ? undefined : schedule?.next(now),
  };
}

function deadlineOf({ spec: { startingDeadlineSeconds: seconds } }: CronJob, now: number): number {
  return seconds === undefined ? -Infinity : now - seconds * 1000 - 1;
}

function lastDue(
  schedule: NonNullable<ReturnType<typeof readSchedule>>,
  after: number,
  now: number,
): number | undefined {
  let due: number | undefined;
  let next = schedule.next(after);
  for (let left = MOST_MISSED; left > 0 && next !== undefined && next <= now; left--) {
    due = next;
    next = schedule.next(next);
  }
  return due;
}

function jobOf(cron: CronJob, due: number): Draft<Job> {
  const { name, namespace = "default" } = cron.metadata;
  const { metadata, spec } = cron.spec.jobTemplate;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      // The name is the time's, so that no time has two.
      name: `${name}-${Math.floor(due / 60_000)}`,
      namespace,
      ...(metadata?.labels && { labels: metadata.labels }),
      annotations: {
        ...metadata?.annotations,
        "batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(due),
      },
      ownerReferences: [controllerReference(cron)],
    },
    spec,
  };
}

function tooOld({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = spec;
  const ended = (type: string) =>
    jobs
      .filter((job) => endOfJob(job)?.type === type)
      .toSorted((a, b) => ((a.status?.startTime ?? "") < (b.status?.startTime ?? "") ? 1 : -1));
  return [
    ...ended("Complete").slice(successfulJobsHistoryLimit),
    ...ended("Failed").slice(failedJobsHistoryLimit),
  ];
}

function lastSuccess({ status }: CronJob, jobs: readonly Job[]): { lastSuccessfulTime?: string } {
  const times = jobs.flatMap((job) => job.status?.completionTime ?? []);
  const last = [...times, ...(status?.lastSuccessfulTime === undefined ? [] : [status.lastSuccessfulTime])]
    .toSorted()
    .at(-1);
  return last === undefined ? {} : { lastSuccessfulTime: last };
}
