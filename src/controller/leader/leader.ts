// One of several controllers acts; the others wait for its Lease (coordination.k8s.io/v1). Whoever loses it stops at once
// and waits with the others.
import { setTimeout as pause } from "node:timers/promises";
import { type Lease, leaseKind } from "../../api/kinds/lease.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Store } from "../../store/store.ts";
import { fenced } from "./fence.ts";
import { heldBy, jittered, type LeaseSpan, leaseStep, type Observed, usualSpan } from "./step.ts";

export interface LeaderOptions {
  readonly store: Store;
  readonly logger: Logger;
  /** Who this process is, unlike every other one. */
  readonly identity: string;
  /** Where the lease is kept. */
  readonly lease: { readonly name: string; readonly namespace: string };
  readonly span?: LeaseSpan;
  /** How long the work may take to end once the leadership is over, ms; 30,000 if absent. */
  readonly workEndMs?: number;
  /** Called when it took longer, which leaves a process that will neither act nor wait for its turn. Absent: it is waited for. */
  readonly onStuck?: () => void;
}

/** What a leader does; it gets a store whose writes end with the leadership. */
export type Work = (store: Store) => Promise<{ stop(): Promise<void> }>;

/** Until when a leader acts, by the steady clock and by the wall's: the first stands still while a machine is suspended. */
interface Until {
  readonly steady: number;
  readonly wall: number;
}

export class Leader {
  readonly #options: LeaderOptions;
  readonly #span: LeaseSpan;
  readonly #work: Work;
  readonly #ending = new AbortController();
  /** Settles when it is to end. */
  readonly #ended = new Promise<undefined>((resolve) => {
    this.#ending.signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  #observed: Observed | undefined;
  #until: Until | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LeaderOptions, work: Work) {
    this.#options = options;
    this.#span = options.span ?? usualSpan;
    this.#work = work;
  }

  /** Whether this process may act now. */
  get leads(): boolean {
    const until = this.#until;
    return until !== undefined && performance.now() < until.steady && Date.now() < until.wall;
  }

  /** Begins to wait for the lease. */
  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Ends the work first, then gives the lease back, so that another one may begin at once. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, identity, lease } = this.#options;
    while (!this.#ending.signal.aborted) {
      if (!(await this.#acquire())) return;
      logger.info({ identity, lease: lease.name }, "leads: the controller begins to act");
      const over = new AbortController();
      const work = this.#begin(over);
      await this.#hold(over.signal);
      over.abort();
      if (this.leads) logger.info({ identity }, "gives the lease back");
      else logger.error({ identity }, "no longer leads: the controller stops acting");
      await this.#endOf(work);
      if (this.leads) await this.#release();
      this.#until = undefined;
      // Work that fails at once must not come back at once.
      await this.#nap(this.#span.retryMs);
    }
  }

  /** Runs the work until `over`; a work that cannot begin ends the leadership, so that another process may try. */
  async #begin(over: AbortController): Promise<void> {
    const store = fenced(this.#options.store, () => this.#assertLeads());
    try {
      const begun = await this.#work(store);
      if (!over.signal.aborted)
        await new Promise((resolve) => over.signal.addEventListener("abort", resolve, { once: true }));
      await begun.stop();
    } catch (error) {
      this.#options.logger.error({ error: textOf(error) }, "the controller's work failed");
      over.abort();
    }
  }

  /** Settles when the work has ended; work that does not is told of, since what it does beside the store no fence holds back. */
  async #endOf(work: Promise<void>): Promise<void> {
    const { logger, onStuck, workEndMs = 30_000 } = this.#options;
    const timer = setTimeout(() => {
      logger.error({ workEndMs }, "the controller's work does not end");
      onStuck?.();
    }, workEndMs);
    await work;
    clearTimeout(timer);
  }

  #assertLeads(): void {
    if (!this.leads) throw new TrunklineError("controller.not-leader", { lease: this.#options.lease.name });
  }

  /** Settles with true once the lease is ours, with false if it is to end. */
  async #acquire(): Promise<boolean> {
    let told = "";
    while (!this.#ending.signal.aborted) {
      try {
        this.#until = await Promise.race([this.#attempt(), this.#ended]);
        if (this.leads) return true;
        told = "";
      } catch (error) {
        const text = textOf(error);
        if (text !== told)
          this.#options.logger.warn({ error: text }, "the lease cannot be looked at; trying again");
        told = text;
      }
      await this.#nap(this.#span.retryMs);
    }
    return false;
  }

  /** Renews until it may not act any more, or `over`, or the process is to end. */
  async #hold(over: AbortSignal): Promise<void> {
    while (!over.aborted && !this.#ending.signal.aborted && this.leads) {
      await this.#nap(this.#span.retryMs, over);
      if (over.aborted || this.#ending.signal.aborted || !this.leads) return;
      await this.#renew();
    }
  }

  /** Settles when the lease was looked at, or when it is too late for that: a store that hangs holds nobody up. */
  async #renew(): Promise<void> {
    const late = new AbortController();
    const looked = this.#attempt().then(
      // Undefined: somebody else's by now. A leader that was paused learns it here at the latest.
      (until) => {
        if (!late.signal.aborted) this.#until = until;
      },
      (error: unknown) =>
        this.#options.logger.warn({ error: textOf(error) }, "the lease could not be renewed; trying again"),
    );
    const left = (this.#until?.steady ?? 0) - performance.now();
    const timer = pause(Math.max(0, left), undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([looked, timer]);
    late.abort();
  }

  /** Looks at the lease once, and takes or renews it where it may. Settles with how long it is ours, if it is. */
  async #attempt(): Promise<Until | undefined> {
    const { store, identity, lease } = this.#options;
    const { leaseMs, deadlineMs } = this.#span;
    const [steady, wall] = [performance.now(), Date.now()];
    const stored = await store.get(leaseKind, lease.name, lease.namespace);
    const step = leaseStep(stored, identity, this.#observed, performance.now(), leaseMs);
    if (stored && stored.metadata.resourceVersion !== this.#observed?.version)
      this.#observed = { version: stored.metadata.resourceVersion, since: performance.now() };
    if (step === "wait") return undefined;
    // It counts from before the request: the answer may be late.
    const spec = heldBy(stored?.spec, identity, microTime(wall), leaseMs);
    if (!(await this.#write(stored, spec))) return undefined;
    return { steady: steady + deadlineMs, wall: wall + deadlineMs };
  }

  /** Settles with false if another one was first. */
  async #write(stored: Lease | undefined, spec: NonNullable<Lease["spec"]>): Promise<boolean> {
    const { store, lease } = this.#options;
    try {
      if (stored) await store.update(leaseKind, { ...stored, spec });
      else {
        const { apiVersion, kind } = leaseKind;
        await store.create(leaseKind, { apiVersion, kind: kind as "Lease", metadata: lease, spec });
      }
      return true;
    } catch (error) {
      if (taken.some((code) => isError(error, code))) return false;
      throw error;
    }
  }

  async #release(): Promise<void> {
    const { store, identity, lease, logger } = this.#options;
    try {
      const stored = await store.get(leaseKind, lease.name, lease.namespace);
      if (stored?.spec?.holderIdentity !== identity) return;
      await this.#write(stored, { ...stored.spec, holderIdentity: "", leaseDurationSeconds: 1 });
    } catch (error) {
      logger.warn({ error: textOf(error) }, "the lease could not be given back; it runs out by itself");
    }
  }

  async #nap(ms: number, over?: AbortSignal): Promise<void> {
    const signal = over ? AbortSignal.any([this.#ending.signal, over]) : this.#ending.signal;
    // An aborted pause is over, which is all that is asked.
    await pause(jittered(ms, Math.random()), undefined, { signal }).catch(() => undefined);
  }
}

const taken = ["store.conflict", "store.exists", "store.not-found"] as const;

/** RFC 3339 with microseconds, as Kubernetes' MicroTime wants. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
