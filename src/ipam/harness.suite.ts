// A small world for the allocator's tests: a clock that only moves when told, disks that can crash, and a store whose
// calls can fail, be cut off, or succeed without an answer.
import type { Draft, Kind, KubeObject } from "../api/object.ts";
import type { DeleteOptions, Store } from "../store/store.ts";
import type { JournalDisk } from "./journal/journal.ts";
import { NodeIpam, type NodeIpamOptions } from "./node-ipam.ts";
import type { Clock, Owner, PoolRange, Want } from "./types.ts";

export class FakeClock implements Clock {
  #steady = 10_000_000;
  /** What is to be added to the steady clock for the date. */
  #date = Date.UTC(2030, 0, 1) - this.#steady;
  #boots = 1;
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();

  now(): number {
    return this.#date + this.#steady;
  }

  steady(): number {
    return this.#steady;
  }

  get boot(): string {
    return `boot-${this.#boots}`;
  }

  /** Somebody sets the date. */
  setDate(ms: number): void {
    this.#date += ms;
  }

  /** The machine is started anew; only for when nobody sleeps. */
  reboot(): void {
    this.#boots++;
    this.#date += this.#steady;
    this.#steady = 0;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleeper = { at: this.#steady + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    signal?.addEventListener("abort", () => {
      this.#sleepers.delete(sleeper);
      resolve();
    });
    if (signal?.aborted) resolve();
    return promise;
  }

  /** Moves on by `ms` and wakes whoever slept until then. */
  advance(ms: number): void {
    this.#steady += ms;
    for (const sleeper of this.#sleepers)
      if (sleeper.at <= this.#steady) {
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
  }
}

/** What becomes of one call: `before` and `after` say whether its effect happens before the process dies or fails. */
export type Fate = "ok" | "fail-before" | "fail-half" | "fail-after" | "crash-before" | "crash-after";

/** Decides the fate of each call; after a crash every call of that process hangs for ever. */
export class Fates {
  readonly #death = new AbortController();
  readonly #next: (what: string) => Fate;

  constructor(next: (what: string) => Fate = () => "ok") {
    this.#next = next;
  }

  async run<T>(what: string, effect: () => Promise<T>, torn?: () => void): Promise<T> {
    if (this.dead) return new Promise(() => undefined);
    const fate = this.#next(what);
    if (fate === "fail-half") torn?.();
    if (fate === "fail-before" || fate === "fail-half") throw new Error(`${what}: no answer`);
    if (fate === "crash-before") {
      torn?.();
      return this.#die();
    }
    const result = await effect();
    if (this.dead) return new Promise(() => undefined);
    if (fate === "fail-after") throw new Error(`${what}: answer lost`);
    if (fate === "crash-after") return this.#die();
    return result;
  }

  get dead(): boolean {
    return this.#death.signal.aborted;
  }

  /** Aborts when the process dies. */
  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Ends the process here and now. */
  kill(): void {
    this.#death.abort();
  }

  #die(): Promise<never> {
    this.kill();
    return new Promise(() => undefined);
  }
}

/** A disk in memory that outlives its process. A crash or a failure in the middle of an append leaves half of it. */
export class FakeDisk {
  text = "";
  readonly copies: string[] = [];

  /** Another character stands at that place, counted from the end. */
  flip(fromEnd: number, to: string): void {
    if (this.text === "") return;
    const at = this.text.length - 1 - (fromEnd % this.text.length);
    this.text = this.text.slice(0, at) + to + this.text.slice(at + 1);
  }

  open(fates: Fates): JournalDisk {
    return {
      path: "fake",
      read: () => fates.run("disk.read", () => Promise.resolve(this.text)),
      append: (text) =>
        fates.run(
          "disk.append",
          async () => {
            this.text += text;
          },
          () => {
            this.text += text.slice(0, Math.floor(text.length / 2));
          },
        ),
      sync: () => fates.run("disk.sync", () => Promise.resolve()),
      replace: (text) =>
        fates.run("disk.replace", async () => {
          this.text = text;
        }),
      setAside: () =>
        fates.run("disk.setAside", () => {
          this.copies.push(this.text);
          return Promise.resolve(`fake.damaged-${this.copies.length}`);
        }),
      close: () => Promise.resolve(),
    };
  }
}

/** The same store, seen by a process whose calls meet their fates. */
export function fatedStore(store: Store, fates: Fates): Store {
  return {
    get: (kind, name, namespace) => fates.run("store.get", () => store.get(kind, name, namespace)),
    list: (kind, namespace) => fates.run("store.list", () => store.list(kind, namespace)),
    create: <T extends KubeObject>(kind: Kind<T>, draft: Draft<T>) =>
      fates.run("store.create", () => store.create(kind, draft)),
    update: <T extends KubeObject>(kind: Kind<T>, object: T) =>
      fates.run("store.update", () => store.update(kind, object)),
    delete: <T extends KubeObject>(
      kind: Kind<T>,
      name: string,
      namespace?: string,
      options?: DeleteOptions,
    ) => fates.run("store.delete", () => store.delete(kind, name, namespace, options)),
    watch: (kind, options) =>
      store.watch(kind, { ...options, signal: AbortSignal.any([options.signal, fates.death]) }),
    close: () => Promise.resolve(),
  };
}

/** Lets everything that is ready to run do so. */
export async function idle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs `work` to its end, moving the clock on whenever everything waits for it. Gives up after `ms` of that clock. */
export async function settle<T>(clock: FakeClock, work: Promise<T>, ms = 20_000): Promise<T> {
  let done = false;
  // A failure is the caller's affair: the same promise is handed back below.
  void Promise.allSettled([work]).then(() => {
    done = true;
  });
  const end = clock.steady() + ms;
  await idle();
  while (!done && clock.steady() < end) {
    clock.advance(100);
    await idle(2);
  }
  if (!done) throw new Error(`not finished after ${ms} ms of the test's clock`);
  return work;
}

export interface TestNode {
  readonly name: string;
  readonly disk: FakeDisk;
  readonly fates: Fates;
  readonly ipam: NodeIpam;
}

/** Starts a node's allocator on a disk that may hold an earlier run's journal. */
export async function startNode(
  world: { readonly store: Store; readonly clock: FakeClock },
  name: string,
  options: { disk?: FakeDisk; fates?: Fates } & Partial<NodeIpamOptions> = {},
): Promise<TestNode> {
  const { disk = new FakeDisk(), fates = new Fates(), ...rest } = options;
  const ipam = new NodeIpam({
    ...rest,
    store: fatedStore(world.store, fates),
    node: name,
    journal: disk.open(fates),
    clock: world.clock,
    backoffMs: [1, 1],
  });
  await ipam.start();
  return { name, disk, fates, ipam };
}

export function podOwner(name: string, containerId = `c-${name}`): Owner {
  return { containerId, ifName: "eth0", pod: `default/${name}`, uid: `uid-${name}` };
}

export function poolOf(cidr: string, blockSize: number, name = "pool"): PoolRange {
  return { name, cidr, blockSize };
}

export function want(...pools: PoolRange[]): Want {
  return { family: pools[0]?.cidr.includes(":") ? 6 : 4, pools };
}
