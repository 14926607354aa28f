// Objects in this process's memory: for tests, and for commands that read manifests without a cluster.
import { deepFreeze } from "../api/equal.ts";
import { type Draft, type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { byKey, type DriverOptions, driverOptions, freshObject, watchKind } from "./driver.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "./store.ts";
import { checkNamespace, deleted, kindKey, type Transition, updated, withVersion } from "./transition.ts";
import { type Change, WatchHub } from "./watch-hub.ts";

/** Returns an empty store that lives as long as this process. */
export function memoryStore(options: DriverOptions = {}): Store {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #log: Change[] = [];
  readonly #hub = new WatchHub();
  readonly #history: number;
  readonly #now: () => Date;
  #revision = 0;
  #closed = false;

  constructor(options: DriverOptions) {
    const { history, now } = driverOptions(options);
    this.#history = history;
    this.#now = now;
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    return this.#stored(kind, name, namespace);
  }

  async list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Promise<Listing<T>> {
    this.#checkOpen();
    const all = [...this.#room(kind).values()] as T[];
    const items = namespace === undefined ? all : all.filter((item) => item.metadata.namespace === namespace);
    return { items: items.toSorted(byKey), revision: String(this.#revision) };
  }

  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<T> {
    this.#checkOpen();
    const object = freshObject(kind, draft, this.#now(), (one) => this.#room(kind).has(keyOf(one)));
    return this.#commit(kind, "added", { type: "write", object });
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    const { name, namespace } = object.metadata;
    return this.#commit(kind, "modified", updated(kind, this.#stored(kind, name, namespace), object));
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    const stored = this.#stored(kind, name, namespace);
    if (stored) this.#commit(kind, "modified", deleted(kind, stored, options, this.#now()));
  }

  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    this.#checkOpen();
    return watchKind(this.#hub, kind, options, () => this.#since(options.from));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#hub.end("done");
  }

  #since(from: string): Iterable<Change> {
    const revision = Number(from);
    const oldest = this.#log[0]?.revision ?? this.#revision + 1;
    if (!Number.isInteger(revision) || revision > this.#revision || revision < oldest - 1)
      throw new TrunklineError("store.gone", { from });
    return this.#log.slice(revision - oldest + 1);
  }

  #stored<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): T | undefined {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    return this.#room(kind).get(key) as T | undefined;
  }

  #room(kind: Kind): Map<string, KubeObject> {
    const key = kindKey(kind);
    const room = this.#objects.get(key) ?? new Map<string, KubeObject>();
    this.#objects.set(key, room);
    return room;
  }

  #commit<T extends KubeObject>(kind: Kind<T>, write: "added" | "modified", change: Transition<T>): T {
    if (change.type === "none") return change.object;
    const revision = ++this.#revision;
    const object = deepFreeze(withVersion(change.object, revision));
    const namespace = object.metadata.namespace ?? "";
    if (change.type === "remove") this.#room(kind).delete(keyOf(object));
    else this.#room(kind).set(keyOf(object), object);
    const type = change.type === "remove" ? "deleted" : write;
    const entry = { revision, kind: kindKey(kind), namespace, type, object } as const;
    this.#log.push(entry);
    if (this.#log.length > 2 * this.#history) this.#log.splice(0, this.#log.length - this.#history);
    this.#hub.publish(entry);
    return object;
  }

  #checkOpen(): void {
    if (this.#closed) throw new TrunklineError("store.closed", { place: "memory" });
  }
}
