// Runs CronJobs by the lab's clock: watches, plans with a pure function, and writes.
import { type CronJob, cronJobKind, type Job, jobKind } from "../../api/kinds/workloads.ts";
import { keyOf } from "../../api/object.ts";
import { isError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import type { LabClock } from "../clock.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { planCron } from "./cron.ts";

const REST_MS = 25;

export class CronJobs {
  readonly #store: Store;
  readonly #clock: Pick<LabClock, "now" | "sleep">;
  readonly #crons: Informer<CronJob>;
  readonly #jobs: Informer<Job>;
  readonly #queue: KeyedQueue;
  /** By uid: when it was seen first, in milliseconds since 1970. */
  readonly #since = new Map<string, number>();
  /** By key: ends the wait for its next time. */
  readonly #alarms = new Map<string, AbortController>();

  constructor(store: Store, clock: Pick<LabClock, "now" | "sleep">, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#crons = new Informer(store, cronJobKind, { logger });
    this.#jobs = new Informer(store, jobKind, { logger });
    this.#queue = new KeyedQueue({ work: (key) => this.#reconcile(key), restMs: REST_MS, logger });
  }

  start(): void {
    this.#crons.on(({ type, object }) => {
      const key = keyOf(object);
      if (type === "deleted") {
        this.#since.delete(object.metadata.uid);
        this.#alarms.get(key)?.abort();
        this.#alarms.delete(key);
        this.#queue.forget(key);
        return;
      }
      if (!this.#since.has(object.metadata.uid)) this.#since.set(object.metadata.uid, this.#clock.now());
      this.#queue.add(key);
    });
    this.#jobs.on(({ object }) => {
      const owner = object.metadata.ownerReferences?.find((reference) => reference.controller);
      if (owner?.kind === "CronJob") this.#queue.add(`${object.metadata.namespace}/${owner.name}`);
    });
    this.#crons.start();
    this.#jobs.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#crons.stop(), this.#jobs.stop()]);
    for (const alarm of this.#alarms.values()) alarm.abort();
    await this.#queue.stop();
  }

  async #reconcile(key: string): Promise<void> {
    const cron = this.#crons.cache.get(key);
    if (!cron || cron.metadata.deletionTimestamp !== undefined) return;
    const { uid, namespace } = cron.metadata;
    try {
      const { items: jobs } = await this.#store.list(jobKind, namespace);
      const now = this.#clock.now();
      const plan = planCron(cron, jobs, now, this.#since.get(uid) ?? now);
      this.#wakeAt(key, plan.wakeAt);
      for (const { metadata } of plan.remove)
        await this.#store.delete(jobKind, metadata.name, metadata.namespace, { uid: metadata.uid });
      // First the Job, then that its time has been: who dies in between finds it by its name.
      if (plan.create) {
        await this.#store.create(jobKind, plan.create).catch((error: unknown) => {
          if (!isError(error, "store.exists")) throw error;
        });
      }
      await this.#store.update(cronJobKind, { ...cron, status: plan.status });
    } catch (error) {
      if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
      this.#queue.add(key, REST_MS);
    }
  }

  #wakeAt(key: string, time: number | undefined): void {
    this.#alarms.get(key)?.abort();
    this.#alarms.delete(key);
    if (time === undefined) return;
    const alarm = new AbortController();
    this.#alarms.set(key, alarm);
    // Timers of Node.js hold 24 days at most.
    const ms = Math.min(Math.max(0, time - this.#clock.now()), 2 ** 31 - 1);
    void this.#clock.sleep(ms, alarm.signal).then(() => {
      if (!alarm.signal.aborted) this.#queue.add(key);
    });
  }
}
