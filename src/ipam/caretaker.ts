// What a node does for its blocks without being asked: after every change that the watch tells, and on a timer, it goes
// through the same steps and does what is left to do. What fails is simply left for the next pass.
import { randomUUID } from "node:crypto";
import type { AddressBlock } from "../api/kinds/address-block.ts";
import { isError, textOf } from "../base/errors.ts";
import type { NodeContext } from "./context.ts";
import { writeFigures } from "./figures.ts";
import { followLoans, pushReturns, returnIdle } from "./lending/borrowing.ts";
import { serveLoans } from "./lending/lending.ts";
import { obeyReleases } from "./lending/releases.ts";
import { dropLost, giveUpIdle, pushReleases, takeUp } from "./own-blocks.ts";
import { recover } from "./recovery.ts";

export class Caretaker {
  readonly #context: NodeContext;
  readonly #arrival: Map<string, number>;
  #arrivals = 0;
  #session = randomUUID();
  /** The next pass is the first since the start, or since the node was registered anew. */
  #fresh = true;
  #verified = false;
  #synced = false;
  #passing: Promise<void> | undefined;
  #again = false;
  #ticking: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #idleSince = new Map<string, number>();
  readonly #figuresWritten = new Map<string, number>();
  readonly #closing = new AbortController();

  /** `arrival` is kept up to date here, for the context that others read it from. */
  constructor(context: NodeContext, arrival: Map<string, number>) {
    this.#context = context;
    this.#arrival = arrival;
  }

  /** Names this run of the node; changes when the node is registered anew. */
  get session(): string {
    return this.#session;
  }

  /** The store has confirmed this node's blocks since the start, or since the node was registered anew. */
  get verified(): boolean {
    return this.#verified;
  }

  /** Begins to follow the view. */
  start(): void {
    const { view } = this.#context;
    view.on(({ type, object }) => this.#heard(type, object));
    view.start();
    void view.synced.then(() => {
      this.#synced = true;
      this.kick();
    });
    this.#ticking = this.#tick();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const wake of this.#waiting) wake();
    await this.#context.view.stop();
    await this.#ticking;
    await this.#passing;
  }

  /** Others may have taken over this node's blocks for a while: every one is written as ours again before it is used. */
  renew(): void {
    this.#session = randomUUID();
    this.#context.ready.clear();
    this.#fresh = true;
    this.#verified = false;
    this.kick();
  }

  #heard(type: "added" | "modified" | "deleted", object: AddressBlock): void {
    const { uid, name } = object.metadata;
    if (type === "deleted") {
      this.#arrival.delete(uid);
      this.#context.requestsSeen.delete(name);
    } else {
      if (!this.#arrival.has(uid)) this.#arrival.set(uid, this.#arrivals);
      // One listing is told in one go; a watch's events are not.
      queueMicrotask(() => this.#arrivals++);
      const own = object.spec.requests?.find((request) => request.node === this.#context.node);
      if (own) this.#context.requestsSeen.set(name, own.at);
    }
    this.kick();
  }

  async #tick(): Promise<void> {
    const { clock, settings } = this.#context;
    while (!this.#closing.signal.aborted) {
      await clock.sleep(settings.tickMs, this.#closing.signal);
      this.kick();
    }
  }

  /** Goes through the steps soon. */
  kick(): void {
    this.#again = true;
    if (this.#synced) this.#passing ??= this.#passes();
  }

  async #passes(): Promise<void> {
    // Several changes that come together make one pass.
    await Promise.resolve();
    while (this.#again && !this.#closing.signal.aborted) {
      this.#again = false;
      await this.#pass();
      for (const wake of this.#waiting) wake();
    }
    this.#passing = undefined;
  }

  /** Looks after everything once. What fails is tried again with the next change or tick. */
  async #pass(): Promise<void> {
    const context = this.#context;
    const fresh = this.#fresh;
    const session = this.#session;
    this.#fresh = false;
    const steps: Record<string, () => Promise<void>> = {
      flush: () => context.journal.flush(),
      dropLost: () => dropLost(context),
      followLoans: () => followLoans(context, fresh),
      recover: () => recover(context, fresh),
      takeUp: () => takeUp(context),
      obeyReleases: () => obeyReleases(context),
      serveLoans: () => serveLoans(context),
      returnIdle: () => returnIdle(context),
      pushReturns: () => pushReturns(context),
      giveUpIdle: () => giveUpIdle(context, this.#idleSince),
      pushReleases: () => pushReleases(context),
      writeFigures: () => writeFigures(context, this.#figuresWritten),
    };
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step();
      } catch (error) {
        context.logger.warn(
          { step: name, error: textOf(error) },
          "addresses: a step failed and is tried again",
        );
        // A fresh start must end as a whole. And without the journal nothing that binds this node may reach the store.
        this.#fresh ||= fresh;
        if (fresh || isError(error, "ipam.journal")) return;
      }
    }
    if (session === this.#session && this.#allConfirmed()) this.#verified = true;
  }

  #allConfirmed(): boolean {
    const { ledger, ready } = this.#context;
    return [...ledger.blocks.values()].every((block) => block.releasing || ready.has(block.uid));
  }

  /** Settles with true when `condition` holds, asked again after every pass; with false after `ms`. Rejects if it throws. */
  async until(condition: () => boolean, ms: number): Promise<boolean> {
    if (condition()) return true;
    if (this.#closing.signal.aborted) return false;
    const done = Promise.withResolvers<boolean>();
    const cancel = new AbortController();
    const look = (last: boolean) => {
      try {
        if (condition()) done.resolve(true);
        else if (last) done.resolve(false);
      } catch (error) {
        // A condition may find out that it can never hold; that is for who waits.
        done.reject(error);
      }
    };
    const wake = () => look(this.#closing.signal.aborted);
    this.#waiting.add(wake);
    if (Number.isFinite(ms)) void this.#context.clock.sleep(ms, cancel.signal).then(() => look(true));
    try {
      return await done.promise;
    } finally {
      this.#waiting.delete(wake);
      cancel.abort();
    }
  }
}
