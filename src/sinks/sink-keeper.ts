// Keeps the sinks of one place equal to their lists, each by itself, and says on the objects what they have. One that does not
// answer keeps what it had, is tried again, and holds up nobody.

import { equalJson } from "../api/equal.ts";
import {
  type AddressList,
  type AddressListSink,
  addressListKind,
  type SinkState,
} from "../api/kinds/address-list.ts";
import { TrunklineError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { stampOf } from "../base/stamp.ts";
import { withReady, withSinkState } from "../explain/allowlist/list-state.ts";
import { change } from "../store/change.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { type Sleeper, Work } from "../store/work.ts";
import { sinkOf } from "./make.ts";
import { rivalOf } from "./rivals.ts";
import { type Sink, type SinkPlace, sinkListOf } from "./sink.ts";

export interface SinkKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly clock: Sleeper & { now(): number };
  /** `controller`, `node/NAME` or `host/NAME`. */
  readonly at: string;
  /** Whether a sink is in this place. */
  readonly isHere: (sink: AddressListSink) => boolean;
  readonly place: SinkPlace;
  /** The lists, where this process follows them already; default: they are followed from start() to stop(). */
  readonly lists?: Informer<AddressList>;
}

const WIDTH = 8;
/** What others have changed in between is put right. */
const LOOK_MS = 60_000;
const FIRST_MS = 250;
const LONGEST_MS = 5000;
const LONGEST_ERROR = 500;

interface Kept {
  /** What the sink was made from. */
  readonly spec: AddressListSink;
  readonly sink: Sink;
  /** In a row. */
  failures: number;
  /** What was last said on the object. */
  said?: Pick<SinkState, "revision" | "error">;
  /** As of the sink's last success. */
  taken?: Pick<SinkState, "revision" | "ranges" | "takenAt">;
}

/** Its words reach commands and configurations, and the server that it came from may have looked at none of them. */
async function checkedSink(spec: AddressListSink): Promise<Sink> {
  const sink = sinkOf(spec);
  // Most nodes never have a sink.
  const { whyNotSink } = await import("../api/kinds/schema/address-list.ts");
  const why = whyNotSink(spec);
  if (why === undefined) return sink;
  return () => Promise.reject(new TrunklineError("sinks.invalid", { name: spec.name, why }));
}

/** Runs from start() to stop(). */
export class SinkKeeper {
  readonly #options: SinkKeeperOptions;
  readonly #lists: Informer<AddressList>;
  #unfollow: () => void = () => {};
  readonly #work: Work;
  /** By `list/sink`. */
  readonly #kept = new Map<string, Kept>();

  constructor(options: SinkKeeperOptions) {
    const { store, logger, clock } = options;
    this.#options = options;
    this.#lists = options.lists ?? new Informer(store, addressListKind, { logger, optional: true });
    this.#work = new Work({ settle: (key) => this.#settle(key), clock, logger, width: WIDTH });
  }

  start(): void {
    this.#unfollow = this.#lists.on(({ object, previous }) => {
      // Most changes are of what others say.
      const isNews =
        object.status?.revision !== previous?.status?.revision || !equalJson(object.spec, previous?.spec);
      if (isNews) this.#addAll(object);
    });
    if (!this.#options.lists) this.#lists.start();
  }

  /** Looks at all sinks again: which of them are here may have changed. */
  look(): void {
    for (const list of this.#lists.cache.values()) this.#addAll(list);
  }

  async stop(): Promise<void> {
    this.#unfollow();
    if (!this.#options.lists) await this.#lists.stop();
    await this.#work.stop();
  }

  #addAll(list: AddressList): void {
    for (const sink of list.spec.sinks ?? [])
      if (this.#options.isHere(sink)) this.#work.add(`${list.metadata.name}/${sink.name}`);
  }

  async #settle(key: string): Promise<number | undefined> {
    const [name = "", sinkName = ""] = key.split("/");
    const object = this.#lists.cache.get(name);
    const spec = object?.spec.sinks?.find((one) => one.name === sinkName);
    // A list that is deleted leaves its sinks as they are: nobody is shut out by that.
    if (!object || !spec || !this.#options.isHere(spec)) {
      this.#kept.delete(key);
      return undefined;
    }
    if (!object.status?.ranges) return undefined;
    const revision = object.status?.revision ?? 0;
    const { clock, place, logger, at } = this.#options;
    let kept = this.#kept.get(key);
    try {
      if (!kept || !equalJson(kept.spec, spec)) {
        kept = { spec, sink: await checkedSink(spec), failures: 0 };
        this.#kept.set(key, kept);
      }
      const rival = rivalOf(this.#lists.cache.values(), this.#options.isHere, object, spec);
      if (rival) throw new TrunklineError("sinks.rival", { ...rival });
      const list = sinkListOf(object);
      if (!list) return undefined;
      await kept.sink(list, place);
      kept.failures = 0;
      if (kept.taken?.revision !== revision)
        kept.taken = { revision, ranges: list.ranges.length, takenAt: stampOf(clock.now()) };
      await this.#say(name, sinkName, kept, undefined);
    } catch (error) {
      const text = textOf(error).slice(0, LONGEST_ERROR);
      logger.warn({ list: name, sink: sinkName, at, error: text }, "a sink does not take its list");
      await this.#say(name, sinkName, kept, text);
      const failures = kept ? kept.failures++ : 0;
      return Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
    }
    return LOOK_MS;
  }

  async #say(name: string, sink: string, kept: Kept | undefined, error: string | undefined): Promise<void> {
    const { store, at, clock } = this.#options;
    const news = { revision: kept?.taken?.revision ?? 0, ...(error !== undefined && { error }) };
    if (kept?.said && equalJson(kept.said, news) && this.#isSaid(name, sink, news)) return;
    const edit = (list: AddressList): AddressList | undefined => {
      const before = list.status?.sinks?.find((one) => one.name === sink && one.at === at);
      const now = stampOf(clock.now());
      // What an earlier process has put there still is.
      const taken = kept?.taken ?? before ?? { revision: 0, ranges: 0 };
      const state: SinkState = {
        name: sink,
        at,
        revision: taken.revision,
        ranges: taken.ranges,
        ...(taken.takenAt !== undefined && { takenAt: taken.takenAt }),
        ...(error !== undefined && { error, errorSince: before?.errorSince ?? now }),
      };
      if (equalJson(state, before)) return undefined;
      return { ...list, status: withReady(withSinkState(list.status ?? {}, state), now) };
    };
    await change(store, addressListKind, { name }, edit, undefined, this.#lists.cache.get(name));
    if (kept) kept.said = news;
  }

  /** A list that was made anew, or a status that somebody wrote over, is told again. */
  #isSaid(name: string, sink: string, { revision, error }: Pick<SinkState, "revision" | "error">): boolean {
    const state = this.#lists.cache
      .get(name)
      ?.status?.sinks?.find((one) => one.name === sink && one.at === this.#options.at);
    return state?.revision === revision && state.error === error;
  }
}
