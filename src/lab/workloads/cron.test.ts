import { describe, expect, it } from "vitest";
import type { CronJob, Job } from "../../api/kinds/workloads.ts";
import { planCron } from "./cron.ts";
import { controllerReference } from "./pods.ts";
import { readSchedule } from "./schedule.ts";

const ms = (text: string) => Date.parse(text);
const next = (schedule: string, after: string, zone?: string) => {
  const time = readSchedule(schedule, zone)?.next(ms(after));
  return time === undefined ? undefined : new Date(time).toISOString().replace(":00.000Z", "Z");
};

describe("a schedule", () => {
  it.each([
    ["* * * * *", "2026-11-29T12:00:00Z", "2026-11-29T12:01Z"],
    ["*/15 * * * *", "2026-11-29T12:44:59Z", "2026-11-29T12:45Z"],
    ["*/15 * * * *", "2026-11-29T12:45:00Z", "2026-11-29T13:00Z"],
    ["5-59/20 8,20 * * *", "2026-11-29T08:26:00Z", "2026-11-29T08:45Z"],
    ["30 3 * * *", "2026-12-31T04:00:00Z", "2027-01-01T03:30Z"],
    ["0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00Z"],
    ["0 0 * jan MON", "2026-11-29T00:00:00Z", "2027-01-04T00:00Z"],
    // Of day and weekday either will do, where both are given.
    ["0 0 13 * FRI", "2026-11-01T00:00:00Z", "2026-11-06T00:00Z"],
    ["0 0 13 * FRI", "2026-11-12T01:00:00Z", "2026-11-13T00:00Z"],
    ["0 0 ? * 0", "2026-11-29T00:00:00Z", "2026-12-06T00:00Z"],
    ["@hourly", "2026-11-29T12:30:00Z", "2026-11-29T13:00Z"],
    ["@weekly", "2026-11-29T00:00:00Z", "2026-12-06T00:00Z"],
    ["@every 90m", "2026-11-29T12:00:00Z", "2026-11-29T13:30Z"],
  ])("%s is after %s at %s", (schedule, after, at) => {
    expect(next(schedule, after)).toBe(at);
  });

  it("is read in its time zone, also where clocks are put forward and back", () => {
    expect(next("0 9 * * *", "2026-11-29T00:00:00Z", "Asia/Shanghai")).toBe("2026-11-29T01:00Z");
    // Half past two is left out on the 29th of March, and comes twice on the 25th of October.
    expect(next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin")).toBe("2026-03-30T00:30Z");
    expect(next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin")).toBe("2026-10-25T00:30Z");
    expect(next("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin")).toBe("2026-10-26T01:30Z");
  });

  it("may never come, or be none", () => {
    expect(next("0 0 31 2 *", "2026-11-29T00:00:00Z")).toBeUndefined();
    for (const bad of [
      "",
      "* * * *",
      "60 * * * *",
      "5-1 * * * *",
      "*/0 * * * *",
      "@sometimes",
      "@every soon",
    ])
      expect(readSchedule(bad)).toBeUndefined();
  });
});

describe("a CronJob", () => {
  const cron = (spec: Partial<CronJob["spec"]> = {}, status?: CronJob["status"]): CronJob => ({
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "night", namespace: "x", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    spec: {
      schedule: "0 * * * *",
      jobTemplate: { metadata: { labels: { a: "b" } }, spec: { template: { spec: { containers: [] } } } },
      ...spec,
    },
    ...(status && { status }),
  });
  const job = (name: string, ended?: "Complete" | "Failed", startTime = "2026-11-29T10:00:00Z"): Job => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      namespace: "x",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: "",
      ownerReferences: [controllerReference(cron())],
    },
    spec: { template: { spec: { containers: [] } } },
    status: {
      startTime,
      ...(ended && { conditions: [{ type: ended, status: "True", lastTransitionTime: startTime }] }),
      ...(ended === "Complete" && { completionTime: startTime }),
    },
  });
  const since = ms("2026-11-29T11:30:00Z");
  const plan = (at: string, one = cron(), jobs: readonly Job[] = []) => planCron(one, jobs, ms(at), since);

  it("makes a Job when its time has come, once, named by the time", () => {
    expect(plan("2026-11-29T11:59:00Z")).toMatchObject({
      create: undefined,
      wakeAt: ms("2026-11-29T12:00:00Z"),
    });
    const due = plan("2026-11-29T12:00:00Z");
    expect(due.create).toMatchObject({
      kind: "Job",
      metadata: {
        name: `night-${ms("2026-11-29T12:00:00Z") / 60_000}`,
        namespace: "x",
        labels: { a: "b" },
        annotations: { "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-29T12:00:00Z" },
        ownerReferences: [{ kind: "CronJob", name: "night" }],
      },
    });
    expect(due.status).toEqual({
      active: [{ name: due.create?.metadata.name }],
      lastScheduleTime: "2026-11-29T12:00:00Z",
    });
    expect(plan("2026-11-29T12:20:00Z", cron({}, due.status)).create).toBeUndefined();
  });

  it("makes one for the last of the times that it missed, unless that is too late, and none while suspended", () => {
    const late = plan("2026-11-29T15:10:00Z");
    expect(late.status.lastScheduleTime).toBe("2026-11-29T15:00:00Z");
    expect(plan("2026-11-29T15:10:00Z", cron({ startingDeadlineSeconds: 60 })).create).toBeUndefined();
    expect(plan("2026-11-29T15:01:00Z", cron({ startingDeadlineSeconds: 60 })).create).toBeDefined();
    expect(plan("2026-11-29T15:10:00Z", cron({ suspend: true }))).toMatchObject({
      create: undefined,
      wakeAt: undefined,
    });
  });

  it("lets a Job that still runs go on beside, or waits for it, or puts the new one in its place", () => {
    const running = [job("night-1")];
    const at = "2026-11-29T12:00:00Z";
    expect(plan(at, cron(), running)).toMatchObject({ create: {}, remove: [], status: { active: [{}, {}] } });
    const waiting = plan(at, cron({ concurrencyPolicy: "Forbid" }), running);
    expect(waiting).toMatchObject({ create: undefined, status: { active: [{ name: "night-1" }] } });
    expect(waiting.status.lastScheduleTime).toBeUndefined();
    expect(plan(at, cron({ concurrencyPolicy: "Replace" }), running)).toMatchObject({
      create: {},
      remove: [{ metadata: { name: "night-1" } }],
      status: { active: [{}] },
    });
  });

  it("keeps the last of its Jobs that have ended", () => {
    const jobs = [1, 2, 3, 4].flatMap((hour) => [
      job(`good-${hour}`, "Complete", `2026-11-29T0${hour}:00:00Z`),
      job(`bad-${hour}`, "Failed", `2026-11-29T0${hour}:30:00Z`),
    ]);
    const { remove, status } = plan("2026-11-29T11:40:00Z", cron(), jobs);
    expect(remove.map(({ metadata }) => metadata.name)).toEqual(["good-1", "bad-3", "bad-2", "bad-1"]);
    expect(status.lastSuccessfulTime).toBe("2026-11-29T04:00:00Z");
    const none = cron({ successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 0 });
    expect(plan("2026-11-29T11:40:00Z", none, jobs).remove).toHaveLength(8);
  });
});
