// What drivers of the store do alike, wherever they keep their objects.
import { randomUUID } from "node:crypto";
import { type Draft, type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import type { WatchEvent } from "./store.ts";
import { created, kindKey, randomSuffix } from "./transition.ts";
import type { Change, WatchHub } from "./watch-hub.ts";

export interface DriverOptions {
  /** How many changes a late watcher can still be told; default 4096. */
  readonly history?: number;
  readonly now?: () => Date;
}

/** Returns the options with their defaults. */
export function driverOptions({ history = 4096, now = () => new Date() }: DriverOptions) {
  return { history, now };
}

/**
 * Returns the object that a create stores, still without its version; generated names are tried until one is free.
 * @throws TrunklineError `store.exists`, `store.name`
 */
export function freshObject<T extends KubeObject>(
  kind: Kind<T>,
  draft: Draft<T>,
  now: Date,
  isTaken: (object: T) => boolean,
): T {
  for (;;) {
    const object = created(kind, draft, { uid: randomUUID(), now, suffix: randomSuffix() });
    if (!isTaken(object)) return object;
    if (draft.metadata.name)
      throw new TrunklineError("store.exists", { kind: kind.kind, key: keyOf(object) });
  }
}

/** Tells the hub's changes of one kind; `since` returns what came before, from the store's memory. */
export function watchKind<T extends KubeObject>(
  hub: WatchHub,
  kind: Kind<T>,
  { namespace, signal }: { readonly namespace?: string; readonly signal: AbortSignal },
  since: (kind: string) => Iterable<Change>,
): AsyncIterable<WatchEvent<T>> {
  const wish = { kind: kindKey(kind), namespace };
  // The hub filters by kind, so the events are of the kind that was asked for.
  return hub.watch(wish, () => since(wish.kind), signal) as unknown as AsyncIterable<WatchEvent<T>>;
}

/** Orders objects by namespace and name, as listings do. */
export function byKey(a: KubeObject, b: KubeObject): number {
  // Neighbours in a listing are of one namespace nearly always: no text is made for those.
  const isOne = a.metadata.namespace === b.metadata.namespace;
  const [left, right] = isOne ? [a.metadata.name, b.metadata.name] : [keyOf(a), keyOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
