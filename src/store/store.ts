// One interface for every place that objects are kept in; each driver runs store.suite.ts.
import type { Draft, Kind, KubeObject } from "../api/object.ts";

export type WatchEvent<T extends KubeObject> =
  | { readonly type: "added" | "modified" | "deleted"; readonly object: T; readonly revision: string }
  /** Nothing changed; `revision` is a later point to resume from. */
  | { readonly type: "bookmark"; readonly revision: string };

export interface Listing<T extends KubeObject> {
  readonly items: readonly T[];
  /** The store's revision that the listing is a picture of: watch from here misses nothing. */
  readonly revision: string;
}

export interface DeleteOptions {
  /** Delete only this version. @throws `store.conflict` otherwise */
  readonly resourceVersion?: string;
  /** Delete only this incarnation. @throws `store.conflict` otherwise */
  readonly uid?: string;
}

export interface Store {
  get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined>;
  /** @param heard called now and then while a listing comes that takes long; not by every store */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string, heard?: () => void): Promise<Listing<T>>;
  /** @throws `store.exists` */
  create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<T>;
  /**
   * Writes a new version if `metadata.resourceVersion` is still the stored one. An object that equals the stored one
   * keeps its version. With deletionTimestamp set and the last finalizer gone, the object is deleted.
   * @throws `store.conflict`, `store.not-found`
   */
  update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  /**
   * Deletes, or with finalizers sets deletionTimestamp. Succeeds if it is gone already.
   * @throws `store.conflict`, `store.forbidden` (a namespace that no cluster is without)
   */
  delete<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
    options?: DeleteOptions,
  ): Promise<void>;
  /**
   * Tells every change after `from` (a Listing's or an event's revision), in order, until `signal` aborts.
   * @throws `store.gone` when the history after `from` is no longer kept: list again.
   */
  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>;
  close(): Promise<void>;
}
