// Keeps what AddressLists say equal to what destinations see of their pods. Whoever has the sinks takes it from there.
import { equalJson } from "../../api/equal.ts";
import { type AddressList, addressListKind } from "../../api/kinds/address-list.ts";
import { type Pod, podIps } from "../../api/kinds/core.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import { askerOf } from "../../explain/allowlist/asker.ts";
import { type Destination, destinationOf, isPods } from "../../explain/allowlist/destination.ts";
import { type Asker, ListModel, type NextList } from "../../explain/allowlist/list-model.ts";
import { sinkStates, withReady } from "../../explain/allowlist/list-state.ts";
import type { SourceJudges } from "../../explain/allowlist/sources.ts";
import { sourceJudgeOf } from "../../explain/judges/plans.ts";
import type { Clock } from "../../ipam/types.ts";
import { ClusterParts } from "../../plan/snat/index.ts";
import { change } from "../../store/change.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { Work } from "../../store/work.ts";
import { ListFacts } from "./list-facts.ts";

export interface ListKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

/** Pods come in swarms; but each waits until its address is in the list. */
const GATHER_MS = 2;
const WIDTH = 4;

/** A list as it is kept while nothing but pods changes. */
interface Kept {
  readonly age: number;
  readonly generation: number;
  readonly uid: string;
  readonly model: ListModel;
  /** Where the destination is pods, each of them may be a list's. */
  readonly isMoving: boolean;
  /** Keys of pods that have changed since the model was asked; undefined: it has not been yet. */
  changed: Set<string> | undefined;
}

/** Runs from start() to stop(). */
export class ListKeeper {
  /** Followed from start() to stop(); sinks of this process go by it, too. */
  readonly lists: Informer<AddressList>;
  readonly #options: ListKeeperOptions;
  readonly #facts: ListFacts;
  readonly #work: Work;
  readonly #kept = new Map<string, Kept>();
  readonly #parts = new ClusterParts();
  #begun = false;
  #ready = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ListKeeperOptions) {
    const { store, logger, clock } = options;
    this.#options = options;
    // A cluster may be older than the kind.
    this.lists = new Informer(store, addressListKind, { logger, optional: true });
    this.#facts = new ListFacts(store, logger, (pods) => this.#note(pods));
    this.#work = new Work({ settle: (name) => this.#settle(name), clock, logger, width: WIDTH });
  }

  start(): void {
    this.lists.on(({ type, object }) => {
      const { name } = object.metadata;
      if (type === "deleted") this.#kept.delete(name);
      if (!this.#begun) void this.#begin();
      if (this.#ready) this.#work.add(name);
    });
    this.lists.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.lists.stop(), this.#facts.stop()]);
    clearTimeout(this.#timer);
    await this.#work.stop();
  }

  /** Before all is known, pods might only seem to be gone. */
  async #begin(): Promise<void> {
    this.#begun = true;
    await this.#facts.start();
    this.#ready = true;
    this.#soon();
  }

  #note(pods: Iterable<string> | undefined): void {
    if (pods) for (const { changed } of this.#kept.values()) for (const key of pods) changed?.add(key);
    this.#soon();
  }

  #soon(): void {
    if (!this.#ready || this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const name of this.lists.cache.keys()) this.#work.add(name);
    }, GATHER_MS);
  }

  async #settle(name: string): Promise<number | undefined> {
    const { store, clock } = this.#options;
    let again: number | undefined;
    const edit = (list: AddressList): AddressList | undefined => {
      const now = clock.now();
      const next = this.#next(list, now);
      again = next.again;
      return equalJson(next.status, list.status) ? undefined : { ...list, status: next.status };
    };
    await change(store, addressListKind, { name }, edit, undefined, this.lists.cache.get(name));
    return again;
  }

  #next(list: AddressList, now: number): NextList {
    const { facts, holders } = this.#facts;
    const at = stampOf(now);
    const sinks = sinkStates(list, facts.nodes, at);
    try {
      const destination = destinationOf(facts, list.spec.to);
      const kept = this.#keptOf(list, destination);
      const { changed } = kept;
      // What fails on the way is asked as a whole the next time.
      this.#kept.delete(list.metadata.name);
      const askerFor = (pods: ReadonlyMap<string, Pod>) => this.#askerFor(list, pods, destination);
      const next = kept.model.next({ list, facts, askerFor, now, holders, changed });
      kept.changed = new Set();
      this.#kept.set(list.metadata.name, kept);
      return { ...next, status: withReady({ ...next.status, sinks }, at) };
    } catch (error) {
      // Nobody has the destination's name, or one of an old object cannot be read.
      if (!(error instanceof TrunklineError) || !error.code.startsWith("explain.")) throw error;
      return { status: withReady({ ...list.status, sinks }, at, textOf(error)) };
    }
  }

  #keptOf({ metadata }: AddressList, destination: Destination): Kept {
    const { age } = this.#facts;
    const { name, generation = 0, uid } = metadata;
    const before = this.#kept.get(name);
    const isFresh =
      before?.age === age && before.generation === generation && before.uid === uid && !before.isMoving;
    if (isFresh) return before;
    return {
      age,
      generation,
      uid,
      model: new ListModel(),
      isMoving: isPods(destination),
      changed: undefined,
    };
  }

  /** What is planned of a node hangs on its pods, but only by their own addresses: other pods need not be looked at. */
  #askerFor(list: AddressList, pods: ReadonlyMap<string, Pod>, destination: Destination): Asker {
    const { facts, holders } = this.#facts;
    const whole = new Map(pods);
    for (const pod of pods.values())
      for (const ip of podIps(pod))
        for (const key of holders(ip)) {
          const other = facts.pods.get(key);
          if (other && !whole.has(key)) whole.set(key, other);
        }
    const some = { ...facts, pods: whole };
    let judge: SourceJudges | undefined;
    return askerOf(some, () => (judge ??= sourceJudgeOf(some, this.#parts)), list, destination);
  }
}
