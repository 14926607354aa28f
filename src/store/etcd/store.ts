// Objects in etcd v3, one key each, below a prefix. A key's last revision is the object's resourceVersion, and the
// cluster's revision that of listings and watches, so etcd's own compare decides every write.
import { setTimeout as sleep } from "node:timers/promises";
import { deepFreeze } from "../../api/equal.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { isError, TrunklineError } from "../../base/errors.ts";
import { byKey, freshObject } from "../driver.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "../store.ts";
import { checkNamespace, deleted, type Transition, updated, withVersion } from "../transition.ts";
import { type Change, type Entry, Gateway, type Header } from "./gateway.ts";
import { keyOfObject, objectName, rangeOf } from "./keys.ts";
import { type TlsFiles, Transport } from "./transport.ts";

export interface EtcdOptions {
  /** `http://host:port` or `https://host:port` of the members that may be asked. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  /** All keys begin with it; default `/trunkline`. */
  readonly prefix?: string;
  /** How long an answer may take, ms; default 5000. A watch that hears nothing for twice as long asks whether its member lives. */
  readonly timeoutMs?: number;
  readonly now?: () => Date;
}

/** Keys that one request lists. */
const pageSize = 500;
/** The longest pause before a watch is opened again, ms. */
const longestPause = 5000;

/** Returns the objects that an etcd cluster keeps; nothing is asked before the first use. */
export function etcdStore(options: EtcdOptions): Store {
  return new EtcdStore(options);
}

class EtcdStore implements Store {
  readonly #gateway: Gateway;
  readonly #prefix: string;
  readonly #place: string;
  readonly #timeoutMs: number;
  readonly #now: () => Date;
  readonly #closing = new AbortController();

  constructor({
    endpoints,
    tls,
    prefix = "/trunkline",
    timeoutMs = 5000,
    now = () => new Date(),
  }: EtcdOptions) {
    this.#gateway = new Gateway(new Transport({ endpoints, timeoutMs, ...(tls && { tls }) }));
    this.#prefix = prefix;
    this.#place = endpoints.join(", ");
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    return (await this.#stored(kind, name, namespace))?.object;
  }

  async list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Promise<Listing<T>> {
    for (;;) {
      try {
        return await this.#listOnce(kind, namespace);
      } catch (error) {
        // Compacted between two pages: they would not be one picture, so it is taken anew.
        if (!isError(error, "store.gone")) throw error;
      }
    }
  }

  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<T> {
    this.#checkOpen();
    for (;;) {
      const object = freshObject(kind, draft, this.#now(), () => false);
      const { name, namespace } = object.metadata;
      const written = await this.#write(kind, object, 0, { type: "write", object });
      if (written) return written;
      if (draft.metadata.name) {
        const key = namespace === undefined ? name : `${namespace}/${name}`;
        throw new TrunklineError("store.exists", { kind: kind.kind, key });
      }
    }
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    const { name, namespace } = object.metadata;
    return this.#change<T, T>(kind, name, namespace, (stored) => updated(kind, stored, object));
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#change<T, T | undefined>(kind, name, namespace, (stored) =>
      stored ? deleted(kind, stored, options, this.#now()) : { type: "none", object: undefined },
    );
  }

  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    this.#checkOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return this.#follow(kind, { ...options, signal });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#gateway.close();
  }

  async #listOnce<T extends KubeObject>(kind: Kind<T>, namespace?: string): Promise<Listing<T>> {
    this.#checkOpen();
    const [first, end] = rangeOf(this.#prefix, kind, namespace);
    const items: T[] = [];
    let from = first;
    let revision: number | undefined;
    for (;;) {
      const wish = { end, limit: pageSize, ...(revision === undefined ? {} : { revision }) };
      const page = await this.#gateway.range(from, wish);
      revision ??= page.header.revision;
      for (const entry of page.entries) items.push(objectOf<T>(entry));
      const last = page.entries.at(-1);
      if (!page.more || last === undefined)
        return { items: items.toSorted(byKey), revision: String(revision) };
      from = `${last.key}\0`;
    }
  }

  /** Reads, decides and writes until nobody came between. */
  async #change<T extends KubeObject, R extends T | undefined>(
    kind: Kind<T>,
    name: string,
    namespace: string | undefined,
    decide: (stored: T | undefined) => Transition<R>,
  ): Promise<R> {
    for (;;) {
      const stored = await this.#stored(kind, name, namespace);
      const transition = decide(stored?.object);
      if (transition.type === "none" || transition.object === undefined) return transition.object;
      const object = transition.object as T;
      const written = await this.#write(kind, object, stored?.version ?? 0, { ...transition, object });
      if (written) return written as R;
    }
  }

  /** Returns the object as it is stored now, or undefined if its key had changed. */
  async #write<T extends KubeObject>(
    kind: Kind<T>,
    { metadata: { name, namespace } }: T,
    expected: number,
    { type, object }: Transition<T>,
  ): Promise<T | undefined> {
    const key = keyOfObject(this.#prefix, kind, name, namespace);
    const value = type === "remove" ? undefined : JSON.stringify(withVersion(object, 0));
    const result = await this.#gateway.write(key, expected, value);
    return result.done ? deepFreeze(withVersion(object, result.revision)) : undefined;
  }

  async #stored<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
  ): Promise<{ readonly object: T; readonly version: number } | undefined> {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    const page = await this.#gateway.range(keyOfObject(this.#prefix, kind, name, namespace));
    const entry = page.entries[0];
    return entry && { object: objectOf<T>(entry), version: entry.modified };
  }

  async *#follow<T extends KubeObject>(
    kind: Kind<T>,
    {
      from,
      namespace,
      signal,
    }: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    let known: Position = { revision: Number(from) };
    if (!Number.isSafeInteger(known.revision)) throw new TrunklineError("store.gone", { from });
    const range = rangeOf(this.#prefix, kind, namespace);
    for (let pause = 50; !signal.aborted; pause = Math.min(2 * pause, longestPause)) {
      try {
        for await (const { event, position } of this.#connection<T>(kind, range, known, signal)) {
          known = position;
          pause = 25;
          if (event) yield event;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof TrunklineError) throw error;
      }
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One stream of one member, until it ends or fails. */
  async *#connection<T extends KubeObject>(
    kind: Kind<T>,
    [key, end]: readonly [string, string],
    known: Position,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly event?: WatchEvent<T>; readonly position: Position }, void, void> {
    const life = new AbortController();
    const both = AbortSignal.any([signal, life.signal]);
    const opened = await this.#gateway.watch(key, { end, start: known.revision + 1, signal: both });
    const pulse = this.#pulse(opened.endpoint, life);
    let position = known;
    try {
      for await (const message of opened.messages) {
        pulse.heard();
        if (message.type === "compacted")
          throw new TrunklineError("store.gone", { from: String(position.revision) });
        checkHistory(position, message.header);
        if (message.type !== "changes") {
          // Not a bookmark: before 3.4.25 a progress notice may overtake changes (etcd issue 15220).
          position = { revision: position.revision, history: message.header };
          yield { position };
          continue;
        }
        for (const change of message.changes) {
          position = { revision: change.entry.modified, history: message.header };
          yield { event: eventOf<T>(kind, this.#prefix, change), position };
        }
      }
    } finally {
      pulse.stop();
      life.abort();
    }
  }

  /** A member that lost its peers, or a network that swallows everything, leaves a watch silent for ever: ask. */
  #pulse(endpoint: string, life: AbortController) {
    let last = performance.now();
    const look = async () => {
      if (performance.now() - last < 2 * this.#timeoutMs) return;
      try {
        await this.#gateway.check(endpoint);
        last = performance.now();
      } catch {
        this.#gateway.passOver(endpoint);
        life.abort();
      }
    };
    const timer = setInterval(() => void look(), this.#timeoutMs);
    timer.unref();
    return { heard: () => (last = performance.now()), stop: () => clearInterval(timer) };
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new TrunklineError("store.closed", { place: this.#place });
  }
}

interface Position {
  readonly revision: number;
  /** The history that the revision is of; unknown before the first word of a watch. */
  readonly history?: Header;
}

/**
 * A cluster restored from a backup counts again from an earlier revision, in another history: a watch that went on
 * there would be told other changes under numbers that it knows, or nothing for long.
 * @throws TrunklineError `store.gone`
 */
function checkHistory({ revision, history }: Position, header: Header): void {
  const other = history && (history.cluster !== header.cluster || history.term > header.term);
  if (other || header.revision < revision) throw new TrunklineError("store.gone", { from: String(revision) });
}

function eventOf<T extends KubeObject>(kind: Kind<T>, prefix: string, change: Change): WatchEvent<T> {
  const { entry, before } = change;
  const revision = String(entry.modified);
  if (change.type === "put") {
    const type = entry.created === entry.modified ? "added" : "modified";
    return { type, object: objectOf<T>(entry), revision };
  }
  // The last state may be compacted; who it was is in the key.
  const gone = before ?? { ...entry, value: JSON.stringify({ metadata: {} }) };
  const object = objectOf<T>({ ...gone, modified: entry.modified });
  if (before) return { type: "deleted", object, revision };
  const metadata = {
    ...objectName(prefix, kind, entry.key),
    uid: "",
    creationTimestamp: "",
    resourceVersion: revision,
  };
  return {
    type: "deleted",
    object: { ...object, apiVersion: kind.apiVersion, kind: kind.kind, metadata },
    revision,
  };
}

// What stands below the prefix was written by this class.
function objectOf<T extends KubeObject>({ value, modified }: Entry): T {
  return deepFreeze(withVersion(JSON.parse(value) as T, modified));
}
