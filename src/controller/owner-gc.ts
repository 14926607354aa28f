// Deletes what has lost its owners, and empties namespaces that are being deleted, within milliseconds.
import { type Namespace, namespaceKind } from "../api/kinds/core.ts";
import { allKinds, kindOf } from "../api/kinds/index.ts";
import { type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { textOf } from "../base/errors.ts";
import { type Logger, silent } from "../base/log.ts";
import { finishNamespace, isDyingNamespace, isOrphan, removeObject, type Stored } from "../store/garbage.ts";
import { Informer, type ObjectChange } from "../store/informer.ts";
import type { Store } from "../store/store.ts";

/** First and longest pause before what failed is tried again, ms. */
const retryMs = [200, 10_000] as const;

/** Objects by uid, below a key. */
class Index {
  readonly #entries = new Map<string, Map<string, Stored>>();

  at(key: string): readonly Stored[] {
    return [...(this.#entries.get(key)?.values() ?? [])];
  }

  put(key: string, stored: Stored): void {
    const entries = this.#entries.get(key) ?? new Map<string, Stored>();
    this.#entries.set(key, entries.set(stored.object.metadata.uid, stored));
  }

  drop(key: string, stored: Stored): void {
    const entries = this.#entries.get(key);
    entries?.delete(stored.object.metadata.uid);
    if (entries?.size === 0) this.#entries.delete(key);
  }
}

/** Runs from start() to stop(). One for a store is enough; more do no harm. */
export class OwnerGc {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #informers: readonly Informer<KubeObject>[];
  readonly #namespaces: Informer<Namespace>;
  /** Uids of all objects. */
  readonly #alive = new Set<string>();
  /** Objects by the uids of their owners. */
  readonly #owned = new Index();
  /** Objects by their namespace. */
  readonly #contents = new Index();
  /** What to look at, by kind and key. */
  readonly #queue = new Map<string, Stored>();
  /** What failed, until it is looked at again: nothing else waits for it. */
  readonly #failed = new Map<string, Stored>();
  #synced = false;
  #stopped = false;
  #work: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pauseMs: number = retryMs[0];

  constructor(store: Store, logger: Logger = silent) {
    this.#store = store;
    this.#logger = logger;
    this.#namespaces = new Informer(store, namespaceKind, { logger });
    const others = allKinds.filter((kind) => kind.kind !== namespaceKind.kind);
    this.#informers = others.map((kind) => new Informer<KubeObject>(store, kind, { logger }));
  }

  /** Begins to watch; settles when everything that has to go from the start is queued. */
  async start(): Promise<void> {
    const all = [this.#namespaces, ...this.#informers];
    this.#follow(this.#namespaces);
    for (const informer of this.#informers) this.#follow(informer);
    await Promise.all(all.map((informer) => informer.synced));
    // Before all kinds are listed, an owner may only seem to be gone.
    this.#synced = true;
    for (const informer of all)
      for (const object of informer.cache.values()) this.#enqueue({ kind: informer.kind, object });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await Promise.all([this.#namespaces, ...this.#informers].map((informer) => informer.stop()));
    await this.#work;
  }

  #follow<T extends KubeObject>(informer: Informer<T>): void {
    informer.on((change) => this.#on(informer.kind, change));
    informer.start();
  }

  #on(kind: Kind, change: ObjectChange<KubeObject>): void {
    const { object, previous } = change;
    const { uid, namespace } = object.metadata;
    const stored = { kind, object };
    for (const owner of (previous ?? object).metadata.ownerReferences ?? [])
      this.#owned.drop(owner.uid, stored);
    if (change.type === "deleted") {
      this.#alive.delete(uid);
      if (namespace !== undefined) this.#contents.drop(namespace, stored);
      for (const dependent of this.#owned.at(uid)) this.#enqueue(dependent);
      const home = namespace === undefined ? undefined : this.#namespaces.cache.get(namespace);
      if (home) this.#enqueue({ kind: namespaceKind, object: home });
      return;
    }
    this.#alive.add(uid);
    if (namespace !== undefined) this.#contents.put(namespace, stored);
    for (const owner of object.metadata.ownerReferences ?? []) this.#owned.put(owner.uid, stored);
    this.#enqueue(stored);
  }

  #enqueue(stored: Stored): void {
    const { namespace } = stored.object.metadata;
    const matters =
      isDyingNamespace(stored) || isOrphan(stored.object, this.#alive) || this.#isDying(namespace);
    if (!this.#synced || !matters) return;
    this.#queue.set(`${stored.kind.kind} ${keyOf(stored.object)}`, stored);
    this.#wake();
  }

  #isDying(namespace: string | undefined): boolean {
    const object = namespace === undefined ? undefined : this.#namespaces.cache.get(namespace);
    return object !== undefined && isDyingNamespace({ kind: namespaceKind, object });
  }

  #wake(): void {
    this.#work ??= this.#drain().finally(() => {
      this.#work = undefined;
      // What came in after the last look and before this moment.
      if (this.#queue.size > 0 && !this.#stopped) this.#wake();
    });
  }

  async #drain(): Promise<void> {
    for (const [key, stored] of this.#queue) {
      if (this.#stopped) return;
      this.#queue.delete(key);
      try {
        await this.#settle(stored);
        this.#failed.delete(key);
      } catch (error) {
        const facts = { kind: stored.kind.kind, key: keyOf(stored.object), error: textOf(error) };
        if (this.#stopped) return;
        this.#logger.warn(facts, "garbage could not be removed; trying again");
        this.#failed.set(key, stored);
      }
    }
    if (this.#failed.size === 0) this.#pauseMs = retryMs[0];
    else if (!this.#stopped) this.#tryLater();
  }

  #tryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#pauseMs = Math.min(2 * this.#pauseMs, retryMs[1]);
      for (const [key, stored] of this.#failed) if (!this.#queue.has(key)) this.#queue.set(key, stored);
      this.#failed.clear();
      this.#wake();
    }, this.#pauseMs);
  }

  async #settle(stored: Stored): Promise<void> {
    const { object } = stored;
    if (isDyingNamespace(stored)) {
      const { name } = object.metadata;
      for (const one of this.#contents.at(name)) await this.#removeOnce(one);
      if (await this.#isEmpty(name)) await finishNamespace(this.#store, object as Namespace);
    } else if (this.#isDying(object.metadata.namespace) || (await this.#ownersAreGone(object))) {
      await this.#removeOnce(stored);
    }
  }

  async #removeOnce(stored: Stored): Promise<void> {
    if (stored.object.metadata.deletionTimestamp === undefined) await removeObject(this.#store, stored);
  }

  // Our copies may lag behind: an owner that seems to be gone is asked for before anything is deleted because of it.
  async #ownersAreGone(object: KubeObject): Promise<boolean> {
    const owners = object.metadata.ownerReferences ?? [];
    for (const owner of owners) {
      const kind = kindOf(owner.apiVersion, owner.kind);
      if (!kind) return false;
      const found = await this.#store.get(
        kind,
        owner.name,
        kind.namespaced ? object.metadata.namespace : undefined,
      );
      if (found?.metadata.uid === owner.uid) return false;
    }
    return owners.length > 0;
  }

  async #isEmpty(namespace: string): Promise<boolean> {
    for (const kind of allKinds) {
      if (kind.namespaced && (await this.#store.list(kind, namespace)).items.length > 0) return false;
    }
    return true;
  }
}
