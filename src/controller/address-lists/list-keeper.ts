// Keeps what AddressLists say equal to what destinations see of their pods. Whoever has the sinks takes it from there.
import { equalJson } from "../../api/equal.ts";
import { type AddressList, addressListKind } from "../../api/kinds/address-list.ts";
import type { Pod } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import { type Asker, askerOf, type NextList, nextList } from "../../explain/allowlist/address-list.ts";
import { destinationOf, isPods } from "../../explain/allowlist/destination.ts";
import { sinkStates, withReady } from "../../explain/allowlist/list-state.ts";
import type { SourceJudges } from "../../explain/allowlist/sources.ts";
import { sourceJudgeOf } from "../../explain/judges/plans.ts";
import type { Clock } from "../../ipam/types.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
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

/** What was asked about a list's pods, as long as nothing else changes. */
interface Remembered {
  readonly age: number;
  readonly generation: number;
  readonly answers: Answers;
}

/** By `namespace/name`. */
type Answers = Map<string, { readonly pod: Pod; readonly answer: ReturnType<Asker> }>;

/** Runs from start() to stop(). */
export class ListKeeper {
  /** Followed from start() to stop(); sinks of this process go by it, too. */
  readonly lists: Informer<AddressList>;
  readonly #options: ListKeeperOptions;
  readonly #facts: ListFacts;
  readonly #work: Work;
  readonly #remembered = new Map<string, Remembered>();
  #begun = false;
  #ready = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ListKeeperOptions) {
    const { store, logger, clock } = options;
    this.#options = options;
    // A cluster may be older than the kind.
    this.lists = new Informer(store, addressListKind, { logger, optional: true });
    this.#facts = new ListFacts(store, logger, () => this.#soon());
    this.#work = new Work({ settle: (name) => this.#settle(name), clock, logger, width: WIDTH });
  }

  start(): void {
    this.lists.on(({ type, object }) => {
      const { name } = object.metadata;
      if (type === "deleted") this.#remembered.delete(name);
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
    await change(store, addressListKind, { name }, (list) => {
      const now = clock.now();
      const next = this.#next(list, now);
      again = next.again;
      return equalJson(next.status, list.status) ? undefined : { ...list, status: next.status };
    });
    return again;
  }

  #next(list: AddressList, now: number): NextList {
    const { facts } = this.#facts;
    const at = stampOf(now);
    const sinks = sinkStates(list, facts.nodes, at);
    try {
      const next = nextList({ list, facts, askerFor: (given) => this.#askerFor(list, given), now });
      return { ...next, status: withReady({ ...next.status, sinks }, at) };
    } catch (error) {
      // Nobody has the destination's name, or one of an old object cannot be read.
      if (!(error instanceof TrunklineError) || !error.code.startsWith("explain.")) throw error;
      return { status: withReady({ ...list.status, sinks }, at, textOf(error)) };
    }
  }

  #askerFor(list: AddressList, facts: ClusterFacts): Asker {
    const { age } = this.#facts;
    const { name, generation = 0 } = list.metadata;
    const destination = destinationOf(facts, list.spec.to);
    const before = this.#remembered.get(name);
    const isFresh =
      before?.age === age &&
      before.generation === generation &&
      !isPods(destination) &&
      // What is remembered of pods that are gone goes now and then.
      before.answers.size <= 2 * facts.pods.size + 100;
    const answers: Answers = isFresh ? before.answers : new Map();
    this.#remembered.set(name, { age, generation, answers });
    // What is planned of a node hangs on its pods, so it is planned anew; but only where a pod is asked about for the first time.
    let judges: SourceJudges | undefined;
    return remembering(
      answers,
      askerOf(facts, () => (judges ??= sourceJudgeOf(facts)), list, destination),
    );
  }
}

/** Asks again only about pods whose objects, or addresses, are others than before. */
function remembering(answers: Answers, ask: Asker): Asker {
  return (pod) => {
    const key = keyOf(pod);
    const before = answers.get(key);
    if (before && isSame(before.pod, pod)) return before.answer;
    const answer = ask(pod);
    answers.set(key, { pod, answer });
    return answer;
  };
}

function isSame(a: Pod, b: Pod): boolean {
  return (
    a === b ||
    (a.metadata.resourceVersion === b.metadata.resourceVersion &&
      a.metadata.uid === b.metadata.uid &&
      equalJson(a.status?.podIPs, b.status?.podIPs))
  );
}
