// What stands in for a cluster's control plane: its scheduler, the controllers of workloads, and what they need.
import type { Node, Pod } from "../api/kinds/core.ts";
import type { Logger } from "../base/log.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import type { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import type { LabClock } from "./clock.ts";
import { standIns } from "./events.ts";
import { Eviction } from "./eviction.ts";
import { PodAdmission } from "./scheduler/pod-admission.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { WorkloadControllers } from "./workloads/controllers.ts";
import { CronJobs } from "./workloads/cron-jobs.ts";

export interface ControlPlaneOptions {
  readonly store: Store;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly clock: LabClock;
  readonly logger: Logger;
  /** Whether somebody admits pods; see PodAdmission. */
  readonly isServed: () => boolean;
  /** Whether the lab runs pods of that node. */
  readonly hasRunner: (node: string) => boolean;
}

interface Part {
  start(): void;
  stop(): Promise<void> | void;
}

export class ControlPlane {
  readonly #parts: readonly Part[];
  readonly #started: Part[] = [];

  constructor({ store, pods, nodes, clock, logger, isServed, hasRunner }: ControlPlaneOptions) {
    const events = new EventRecorder(store, { component: standIns.scheduler }, logger);
    const now = (): number => clock.now();
    const admission = new PodAdmission({ store, events, logger, now, isServed });
    this.#parts = [
      admission,
      new Scheduler({ store, pods, nodes, events, logger, admission }),
      new WorkloadControllers(store, pods, logger, now),
      new CronJobs(store, clock, logger),
      new Eviction({ store, pods, nodes, hasRunner, logger }),
    ];
  }

  start(): void {
    for (const part of this.#parts) {
      part.start();
      this.#started.push(part);
    }
  }

  async stop(): Promise<void> {
    for (const part of this.#started.toReversed()) await part.stop();
  }
}
