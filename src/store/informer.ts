// A kept-up-to-date copy of one kind's objects: list, then watch from there, and list again when the history is gone.
import { setTimeout as sleep } from "node:timers/promises";
import { equalJson } from "../api/equal.ts";
import { type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { isError, textOf } from "../base/errors.ts";
import { type Logger, silent } from "../base/log.ts";
import { unlessAborted } from "../base/unless-aborted.ts";
import type { Store } from "./store.ts";

export type ObjectChange<T extends KubeObject> =
  | { readonly type: "added"; readonly object: T; readonly previous?: undefined }
  | { readonly type: "modified"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T; readonly previous?: undefined };

export interface InformerOptions {
  readonly namespace?: string;
  readonly logger?: Logger;
  /** First and longest pause after a failure, in milliseconds; default 50 and 5000. A watch that lasts as long resets it. */
  readonly backoffMs?: readonly [first: number, longest: number];
  /** The server may lack the kind, or the right to read it may be missing: then it has no objects, and is asked again. */
  readonly optional?: boolean;
  /** Told of every failure but those that `optional` allows. */
  readonly onFailure?: () => void;
  /** Told that a listing which takes long is coming, by a store that says so. */
  readonly onHeard?: () => void;
}

/** Definitions and rights are added by people: soon enough for them, ms. */
const absentPauseMs = 60_000;

export class Informer<T extends KubeObject> {
  readonly kind: Kind<T>;
  readonly #store: Store;
  readonly #options: InformerOptions;
  readonly #logger: Logger;
  readonly #cache = new Map<string, T>();
  readonly #handlers = new Set<(change: ObjectChange<T>) => void>();
  readonly #abort = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #listed = false;

  constructor(store: Store, kind: Kind<T>, options: InformerOptions = {}) {
    this.kind = kind;
    this.#store = store;
    this.#options = options;
    this.#logger = options.logger ?? silent;
  }

  /** The objects by `namespace/name` or name, as of the last change that was told. */
  get cache(): ReadonlyMap<string, T> {
    return this.#cache;
  }

  /** Settles once the first listing is in the cache and its changes were told; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /**
   * Calls `handler` for every change from now on, after the cache has it; what the cache holds already is told as
   * added, at once. An error thrown by a handler is logged and stops nobody. Returns how to stop it.
   */
  on(handler: (change: ObjectChange<T>) => void): () => void {
    this.#handlers.add(handler);
    for (const object of this.#cache.values()) this.#call(handler, { type: "added", object });
    return () => this.#handlers.delete(handler);
  }

  /**
   * Fills the cache with what was known of old, and tells nobody. The first listing replaces it, and tells what differs;
   * once there was one, this does nothing.
   */
  preload(objects: Iterable<T>): void {
    if (this.#listed) return;
    for (const object of objects) this.#cache.set(keyOf(object), object);
  }

  /** Begins to list and watch. Returns this. */
  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Ends for good, and settles when nothing is told any more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const [first, longest] = this.#options.backoffMs ?? [50, 5000];
    let pause = first;
    let listedAt = Number.NEGATIVE_INFINITY;
    /** Histories in a row that were gone as soon as they had begun. */
    let gone = 0;
    while (!signal.aborted) {
      let isListed = false;
      try {
        await this.#follow(() => {
          isListed = true;
          listedAt = performance.now();
        });
      } catch (error) {
        if (signal.aborted || isError(error, "store.closed")) return;
        // A listing alone says little: who may not watch would ask for one whole list after the other.
        if (isListed && performance.now() - listedAt >= longest) pause = first;
        // A history that is gone is no failure: list again at once. But one of a server that has never any would be asked for
        // whole lists without a pause.
        if (isError(error, "store.gone")) {
          gone = performance.now() - listedAt < longest ? gone + 1 : 1;
          if (gone > 1) await this.#pause(Math.min(first * 2 ** (gone - 2), longest));
          continue;
        }
        const absent = isError(error, "store.unserved") || isError(error, "store.refused");
        if (absent && this.#options.optional === true) {
          this.#logger.info({ kind: this.kind.kind, why: textOf(error) }, "goes on without these objects");
          this.#synced.resolve();
          await this.#pause(absentPauseMs);
          continue;
        }
        this.#logger.warn({ kind: this.kind.kind, error: textOf(error), pauseMs: pause }, "watch failed");
        this.#options.onFailure?.();
        await this.#pause(pause);
        pause = Math.min(2 * pause, longest);
      }
    }
  }

  async #follow(connected: () => void): Promise<void> {
    const { signal } = this.#abort;
    const { namespace } = this.#options;
    const from = await this.#list();
    if (from === undefined) return;
    connected();
    const options = { from, signal, ...(namespace === undefined ? {} : { namespace }) };
    for await (const event of this.#store.watch(this.kind, options)) {
      if (event.type === "deleted") this.#remove(keyOf(event.object), event.object);
      else if (event.type !== "bookmark") this.#put(event.object);
    }
  }

  /**
   * Returns the revision from which to watch; undefined where that has ended. The listing itself is let go of: a watch stands
   * for hours, and would hold all objects as they once were.
   */
  async #list(): Promise<string | undefined> {
    const { namespace, onHeard } = this.#options;
    // stop() does not wait for a server that hangs.
    const { signal } = this.#abort;
    const listing = await unlessAborted(this.#store.list(this.kind, namespace, onHeard), signal);
    if (listing === undefined || signal.aborted) return undefined;
    const { items, revision } = listing;
    this.#listed = true;
    this.#replace(items);
    this.#synced.resolve();
    return revision;
  }

  /** Makes the cache equal to a listing, and tells only what differs. */
  #replace(items: readonly T[]): void {
    const present = new Set(items.map(keyOf));
    for (const [key, object] of this.#cache) if (!present.has(key)) this.#remove(key, object);
    for (const item of items) this.#put(item);
  }

  #put(object: T): void {
    const key = keyOf(object);
    const previous = this.#cache.get(key);
    // Deleted and created again while we did not look: those who keep state by uid must see both.
    if (previous && previous.metadata.uid !== object.metadata.uid) this.#remove(key, previous);
    const known = this.#cache.get(key);
    this.#cache.set(known === undefined ? lastingKey(object) : key, object);
    if (known?.metadata.resourceVersion === object.metadata.resourceVersion && equalJson(known, object))
      return;
    this.#tell(known ? { type: "modified", object, previous: known } : { type: "added", object });
  }

  #remove(key: string, object: T): void {
    if (this.#cache.delete(key)) this.#tell({ type: "deleted", object });
  }

  #tell(change: ObjectChange<T>): void {
    for (const handler of this.#handlers) this.#call(handler, change);
  }

  #call(handler: (change: ObjectChange<T>) => void, change: ObjectChange<T>): void {
    try {
      handler(change);
    } catch (error) {
      const facts = { kind: this.kind.kind, key: keyOf(change.object), error: textOf(error) };
      this.#logger.error(facts, "a handler of changes failed");
    }
  }

  async #pause(ms: number): Promise<void> {
    try {
      // Jitter: many agents that lost one server must not come back in one moment.
      await sleep(ms * (0.5 + Math.random() / 2), undefined, { signal: this.#abort.signal });
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }
}

/** Returns an object's key as one text: V8 keeps one that was put together with `+` as its parts as well. */
function lastingKey({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : [namespace, name].join("/");
}
