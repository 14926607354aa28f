// The one queue between what changes and the managers: changes that come while managers work are gathered and handed
// over together; a manager that fails is called again with all that it has missed, later and later.
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import type { Manager } from "./manager.ts";

export interface ReconcilerOptions {
  readonly managers: readonly Manager[];
  readonly facts: ClusterFacts;
  /** What the node is like now; throws while that cannot be told. */
  readonly node: () => NodeFacts;
  readonly logger: Logger;
  /** Told after every call of a manager. */
  readonly onApplied?: (manager: string, seconds: number, error: unknown) => void;
  /** Told after every round. */
  readonly onIdle?: () => void;
  /** First and longest pause after a failure, in milliseconds. */
  readonly backoffMs?: readonly [number, number];
  /** How long `inForce` waits, in seconds. */
  readonly patience?: number;
  /** What rests between rounds are measured by; the machine's own unless a test goes through them step by step. */
  readonly clock?: RestClock;
}

/** Milliseconds from some beginning, and waits. */
export interface RestClock {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const machineClock: RestClock = { now: () => performance.now(), sleep: (ms) => sleep(ms) };

/**
 * From one round to the next, in milliseconds: where pods come close together, they share rounds, each of which has a
 * transaction's price. The first one does not wait.
 */
const REST_MS = 2;
/** Timers have no finer grain. */
const LEAST_REST_MS = 0.3;

interface ManagerState {
  readonly manager: Manager;
  pending: Map<string, Set<string> | "all">;
  resync: boolean;
  /** All that was noted up to this number is in force. */
  done: number;
  error: unknown;
  pauseMs: number;
  retryAt: number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #states: readonly ManagerState[];
  /** Those that are told of changes of a kind. */
  readonly #toldOf = new Map<string, readonly ManagerState[]>();
  readonly #abort = new AbortController();
  readonly #waiters = new Set<() => void>();
  /** Counts what was noted. */
  #noted = 0;
  #wake = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #started = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#states = options.managers.map((manager) => ({
      manager,
      pending: new Map(),
      resync: false,
      done: 0,
      error: undefined,
      pauseMs: 0,
      retryAt: 0,
    }));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake.resolve();
    await this.#running;
  }

  /** That object changed. */
  note(kind: string, key: string): void {
    for (const state of this.#told(kind)) addChange(state.pending, kind, key);
    this.#noted++;
    this.#wake.resolve();
  }

  /** Everything of that kind may have changed. */
  noteAll(kind: string): void {
    for (const state of this.#told(kind)) state.pending.set(kind, "all");
    this.#noted++;
    this.#wake.resolve();
  }

  #told(kind: string): readonly ManagerState[] {
    const known = this.#toldOf.get(kind);
    if (known) return known;
    const told = this.#states.filter(({ manager: { kinds } }) => kinds?.includes(kind) ?? true);
    this.#toldOf.set(kind, told);
    return told;
  }

  /** Asks managers to compare with the kernel itself; by default all of them. */
  noteResync(concerned: (manager: Manager) => boolean = () => true): void {
    for (const state of this.#states) if (concerned(state.manager)) state.resync = true;
    this.#noted++;
    this.#wake.resolve();
  }

  /** Managers that have failed and not succeeded since, with the reason. */
  failures(): { manager: string; error: string }[] {
    return this.#states
      .filter((state) => state.error !== undefined)
      .map((state) => ({ manager: state.manager.name, error: textOf(state.error) }));
  }

  /** True once every manager has succeeded at least once. */
  get startedOnce(): boolean {
    return this.#started && this.#states.every((state) => state.done > 0);
  }

  /** Settles when all that was noted so far is in force. @throws `agent.not-applied` after the patience is over */
  async inForce(): Promise<void> {
    const wanted = this.#noted;
    const seconds = this.#options.patience ?? 10;
    const lagging = () => this.#states.find((state) => state.done < wanted);
    if (!lagging()) return;
    const settled = Promise.withResolvers<void>();
    const look = () => {
      if (!lagging()) settled.resolve();
    };
    const timer = setTimeout(() => {
      const state = lagging();
      const why = state?.error === undefined ? "not done yet" : textOf(state.error);
      settled.reject(
        new TrunklineError("agent.not-applied", { seconds, manager: state?.manager.name ?? "", why }),
      );
    }, seconds * 1000);
    this.#waiters.add(look);
    try {
      await settled.promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(look);
    }
  }

  async #run(): Promise<void> {
    const { clock = machineClock } = this.#options;
    while (!this.#abort.signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      const now = performance.now();
      for (const state of this.#states) if (isDue(state, now)) await this.#serve(state);
      const ended = clock.now();
      for (const state of this.#states)
        if (state.error === undefined && !isDue(state, 0)) state.done = this.#noted;
      this.#started = true;
      for (const look of this.#waiters) look();
      this.#options.onIdle?.();
      // Managers that never wait for anything must not keep the process from hearing of the world.
      await nextTurn();
      // What came meanwhile has resolved #wake already.
      const retries = this.#states.filter((state) => state.error !== undefined).map((state) => state.retryAt);
      const pause = retries.length === 0 ? undefined : Math.max(0, Math.min(...retries) - performance.now());
      await this.#pause(pause);
      const rest = ended + REST_MS - clock.now();
      if (rest > LEAST_REST_MS) await clock.sleep(rest);
    }
  }

  async #serve(state: ManagerState): Promise<void> {
    const { facts, node, logger, onApplied } = this.#options;
    const { manager } = state;
    const { pending: changes, resync } = state;
    const noted = this.#noted;
    const began = performance.now();
    state.pending = new Map();
    state.resync = false;
    try {
      if (changes.size > 0) await manager.apply(facts, node(), changes);
      if (resync) await manager.resync(facts, node());
      // Not more than was noted before the call: what comes in an endless stream must not hold up those who wait.
      state.done = noted;
      state.error = undefined;
      state.pauseMs = 0;
      onApplied?.(manager.name, (performance.now() - began) / 1000, undefined);
    } catch (error) {
      // What was not done stays to be done, together with what has come meanwhile.
      for (const [kind, keys] of changes)
        if (keys === "all") state.pending.set(kind, "all");
        else for (const key of keys) addChange(state.pending, kind, key);
      const [first, longest] = this.#options.backoffMs ?? [50, 10_000];
      state.resync ||= resync;
      state.error = error;
      state.pauseMs = state.pauseMs === 0 ? first : Math.min(2 * state.pauseMs, longest);
      state.retryAt = performance.now() + state.pauseMs;
      logger.error(
        { manager: manager.name, error: textOf(error), pauseMs: state.pauseMs },
        "a manager failed",
      );
      onApplied?.(manager.name, (performance.now() - began) / 1000, error);
    }
  }

  async #pause(ms: number | undefined): Promise<void> {
    if (ms === undefined) return this.#wake.promise;
    const over = new AbortController();
    const timer = sleep(ms, undefined, { signal: over.signal }).catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
    });
    await Promise.race([timer, this.#wake.promise]);
    over.abort();
  }
}

function isDue(state: ManagerState, now: number): boolean {
  if (state.error !== undefined && now < state.retryAt) return false;
  return state.error !== undefined || state.resync || state.pending.size > 0;
}

function addChange(changes: Map<string, Set<string> | "all">, kind: string, key: string): void {
  const keys = changes.get(kind);
  if (keys === undefined) changes.set(kind, new Set([key]));
  else if (keys !== "all") keys.add(key);
}
