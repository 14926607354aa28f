// Hands every change of a store to those who watch, in order; a reader that falls too far behind has to list again.
import type { KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import type { WatchEvent } from "./store.ts";

/** One line of a store's history. */
export interface Change {
  readonly revision: number;
  /** The kind's place in the store. */
  readonly kind: string;
  /** "" for cluster-scoped objects. */
  readonly namespace: string;
  readonly type: "added" | "modified" | "deleted";
  readonly object: KubeObject;
}

interface Wish {
  readonly kind: string;
  readonly namespace: string | undefined;
}

/** More events than this wait for nobody: the watcher is told that its history is gone. */
const longestQueue = 65_536;
/** A watcher that nothing concerns learns from time to time how far history is. */
const bookmarkEvery = 1024;

class Watcher {
  readonly #wish: Wish;
  #queue: WatchEvent<KubeObject>[] = [];
  #wake: (() => void) | undefined;
  #ended: Error | "done" | undefined;
  #skipped = 0;

  constructor(wish: Wish) {
    this.#wish = wish;
  }

  offer(change: Change): void {
    const { kind, namespace } = this.#wish;
    const revision = String(change.revision);
    if (change.kind !== kind || (namespace !== undefined && change.namespace !== namespace)) {
      this.#skipped++;
      if (this.#skipped < bookmarkEvery) return;
      this.#queue.push({ type: "bookmark", revision });
    } else {
      if (this.#queue.length >= longestQueue) {
        this.#queue = [];
        this.end(new TrunklineError("store.gone", { from: revision }));
        return;
      }
      this.#queue.push({ type: change.type, object: change.object, revision });
    }
    this.#skipped = 0;
    this.#wake?.();
  }

  end(why: Error | "done"): void {
    this.#ended ??= why;
    this.#wake?.();
  }

  async *events(): AsyncGenerator<WatchEvent<KubeObject>, void, void> {
    for (;;) {
      const batch = this.#queue;
      this.#queue = [];
      for (const event of batch) {
        if (this.#ended !== undefined) break;
        yield event;
      }
      if (this.#ended === "done") return;
      if (this.#ended !== undefined) throw this.#ended;
      if (this.#queue.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  readonly #onCount: (count: number) => void;

  /** `onCount` is told how many watch, whenever that changes. */
  constructor(onCount: (count: number) => void = () => {}) {
    this.#onCount = onCount;
  }

  get size(): number {
    return this.#watchers.size;
  }

  publish(change: Change): void {
    for (const watcher of this.#watchers) watcher.offer(change);
  }

  /** Yields what `missed` returns (the history since the caller's revision), then what is published, until aborted. */
  async *watch(
    wish: Wish,
    missed: () => Iterable<Change>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<KubeObject>, void, void> {
    if (signal.aborted) return;
    const watcher = new Watcher(wish);
    const stop = () => watcher.end("done");
    for (const change of missed()) watcher.offer(change);
    this.#watchers.add(watcher);
    this.#onCount(this.size);
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* watcher.events();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#watchers.delete(watcher);
      this.#onCount(this.size);
    }
  }

  /** Ends all watches: with an error, or quietly. */
  end(why: Error | "done"): void {
    for (const watcher of this.#watchers) watcher.end(why);
  }
}
