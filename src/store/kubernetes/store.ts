// Objects that a Kubernetes API server keeps. Reads are the server's lists and watches; a write is a merge patch of
// what differs, bound to the version that was read.
import { setTimeout as sleep } from "node:timers/promises";
import { immortalNamespaces } from "../../api/defaults.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { isError, TrunklineError } from "../../base/errors.ts";
import { byKey } from "../driver.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "../store.ts";
import { checkNamespace, updated } from "../transition.ts";
import type { Access } from "./access.ts";
import { acceptable, eventsOf, listPage, type ServerEvent, taken } from "./answers.ts";
import { ApiClient, ApiRefusal, type ApiRequest, type ClientOptions } from "./client.ts";
import type { Keep } from "./kept.ts";
import { mergePatch } from "./patch.ts";
import { pathOf, Resources } from "./resources.ts";

export interface KubernetesOptions extends ClientOptions {
  /** What is kept of objects in memory; default "all". */
  readonly keep?: Keep;
  /** How long the server lets a watch stand, seconds, least and most; default 300 to 600. */
  readonly watchSeconds?: readonly [least: number, most: number];
}

const pageSize = 500;
const longestPauseMs = 5000;

/** Returns the objects of a cluster; nothing is asked before the first use. */
export function kubernetesStore(access: Access, options: KubernetesOptions = {}): Store {
  return new KubernetesStore(access, options);
}

type Json = Record<string, unknown>;

interface RawMeta {
  readonly metadata?: { readonly resourceVersion?: string };
}

class KubernetesStore implements Store {
  readonly #client: ApiClient;
  readonly #resources: Resources;
  readonly #keep: Keep;
  readonly #timeoutMs: number;
  readonly #watchSeconds: readonly [number, number];
  readonly #closing = new AbortController();
  /** Whether the server can send a list as a watch's beginning; unknown until it was tried. */
  #streams: boolean | undefined;

  constructor(
    access: Access,
    { keep = "all", watchSeconds = [300, 600], timeoutMs = 15_000 }: KubernetesOptions,
  ) {
    this.#client = new ApiClient(access, { timeoutMs });
    this.#resources = new Resources(this.#client);
    this.#keep = keep;
    this.#timeoutMs = timeoutMs;
    this.#watchSeconds = watchSeconds;
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    try {
      return taken(
        kind,
        await this.#client.ask({ method: "GET", path: pathOf(kind, namespace, name) }),
        this.#keep,
      );
    } catch (error) {
      if (!(error instanceof ApiRefusal) || error.code !== 404) throw this.#worded(error, kind, name);
      // Not this object, or no such kind at all: that is another answer.
      await this.#resources.of(kind);
      return undefined;
    }
  }

  async list<T extends KubeObject>(
    kind: Kind<T>,
    namespace?: string,
    heard: () => void = () => {},
  ): Promise<Listing<T>> {
    this.#checkOpen();
    await this.#resources.of(kind);
    if (this.#streams !== false) {
      const listing = await this.#listAsWatch(kind, namespace, heard);
      if (listing) return listing;
    }
    for (;;) {
      try {
        return await this.#listPages(kind, namespace, heard);
      } catch (error) {
        // Its pages outlived the server's history: a new picture is taken.
        if (error instanceof ApiRefusal && error.code === 410) continue;
        throw this.#worded(error, kind, "");
      }
    }
  }

  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<T> {
    this.#checkOpen();
    const { metadata } = draft;
    if (!metadata.name && !metadata.generateName)
      throw new TrunklineError("store.name", { kind: kind.kind, why: "it has no name" });
    checkNamespace(kind, metadata.namespace);
    const { ownStatus } = await this.#resources.of(kind);
    const { uid: _uid, resourceVersion: _version, creationTimestamp: _time, ...given } = metadata;
    const { name, ...unnamed } = given;
    const body = {
      ...draft,
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata: name ? given : unnamed,
    };
    const request = { method: "POST", path: pathOf(kind, metadata.namespace), body } as const;
    const made = await this.#write(kind, name, request);
    const status = (draft as Json)["status"];
    if (!ownStatus || status === undefined) return made;
    return this.update(kind, { ...made, status });
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    this.#checkOpen();
    const { name, namespace } = object.metadata;
    const { ownStatus } = await this.#resources.of(kind);
    const stored = await this.get(kind, name, namespace);
    const change = updated(kind, stored, object);
    if (change.type === "none" || stored === undefined) return change.object;
    const [before, after] = [stored, change.object].map((one) => {
      const { resourceVersion: _v, generation: _g, ...metadata } = one.metadata;
      return { ...one, metadata } as unknown as Json;
    });
    const { status, ...rest } = mergePatch(before!, after!) ?? {};
    const all = ownStatus || status === undefined ? rest : { ...rest, status };
    let current: T = stored;
    if (Object.keys(all).length > 0) current = await this.#patch(kind, current, all);
    if (ownStatus && status !== undefined) current = await this.#patch(kind, current, { status }, "status");
    return current;
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    namespace?: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    if (kind.kind === "Namespace" && immortalNamespaces.has(name))
      throw new TrunklineError("store.forbidden", { plural: kind.plural, name });
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: "Background",
      preconditions: options,
    };
    try {
      await this.#client.ask({ method: "DELETE", path: pathOf(kind, namespace, name), body });
    } catch (error) {
      if (error instanceof ApiRefusal && error.code === 404) return;
      throw this.#worded(error, kind, name);
    }
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
    this.#client.close();
  }

  async #listPages<T extends KubeObject>(
    kind: Kind<T>,
    namespace: string | undefined,
    heard: () => void,
  ): Promise<Listing<T>> {
    const items: T[] = [];
    let revision: string | undefined;
    let next = "";
    do {
      const query = { limit: String(pageSize), ...(next === "" ? {} : { continue: next }) };
      const request = { method: "GET", path: pathOf(kind, namespace), query } as const;
      const page = await this.#client.fetch(request, acceptable(kind, this.#keep), (answer) =>
        listPage(kind, this.#keep, answer),
      );
      heard();
      items.push(...page.items);
      revision ??= page.revision;
      ({ next } = page);
    } while (next !== "");
    return { items: items.toSorted(byKey), revision: revision ?? "" };
  }

  /**
   * A list that the server sends as the beginning of a watch: it holds no whole list in memory for it. Returns
   * undefined where the server cannot, be it by its version or by its etcd's (which it says with an ERROR event).
   * @throws `store.unreachable` where it falls silent: a list has no pulse that would tell, as a watch has
   */
  async #listAsWatch<T extends KubeObject>(
    kind: Kind<T>,
    namespace: string | undefined,
    heard: () => void,
  ): Promise<Listing<T> | undefined> {
    const life = new AbortController();
    const query = {
      watch: "true",
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: "true",
      timeoutSeconds: "60",
    };
    const items: T[] = [];
    let isSilent = false;
    const silence = setTimeout(() => {
      isSilent = true;
      life.abort();
    }, 2 * this.#timeoutMs);
    try {
      const signal = AbortSignal.any([life.signal, this.#closing.signal]);
      const request = { method: "GET", path: pathOf(kind, namespace), query } as const;
      for await (const events of await this.#events(kind, request, signal)) {
        silence.refresh();
        heard();
        for (const { type, object } of events) {
          if (type !== "bookmark") items.push(object);
          else if (object.metadata.annotations?.["k8s.io/initial-events-end"] === "true") {
            this.#streams = true;
            return { items: items.toSorted(byKey), revision: object.metadata.resourceVersion };
          }
        }
      }
    } catch (error) {
      if (isSilent) {
        const why = `a list of ${kind.plural} stopped coming`;
        throw new TrunklineError("store.unreachable", { place: this.#client.server, why }, { cause: error });
      }
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.code === 403) throw this.#worded(error, kind, "");
    } finally {
      clearTimeout(silence);
      life.abort();
    }
    this.#streams ??= false;
    return undefined;
  }

  async #patch<T extends KubeObject>(kind: Kind<T>, current: T, patch: Json, part?: "status"): Promise<T> {
    const { name, namespace, resourceVersion } = current.metadata;
    const metadata = { ...(patch["metadata"] as Json | undefined), resourceVersion };
    return this.#write(kind, name, {
      method: "PATCH",
      path: pathOf(kind, namespace, name, part),
      body: { ...patch, metadata },
      contentType: "application/merge-patch+json",
    });
  }

  async #write<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    request: Parameters<ApiClient["ask"]>[0],
  ): Promise<T> {
    try {
      return taken(kind, await this.#client.ask(request), this.#keep);
    } catch (error) {
      throw this.#worded(error, kind, name);
    }
  }

  async *#follow<T extends KubeObject>(
    kind: Kind<T>,
    {
      from,
      namespace,
      signal,
    }: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    let revision = from;
    for (let pause = 50; !signal.aborted; pause = Math.min(2 * pause, longestPauseMs)) {
      try {
        for await (const event of this.#connection(kind, revision, namespace, signal)) {
          revision = event.revision;
          pause = 25;
          yield event;
        }
      } catch (error) {
        if (signal.aborted) return;
        // What the server refuses (no right, no such kind) does not get better by asking at once.
        if (!isError(error, "store.unreachable") && error instanceof TrunklineError) throw error;
      }
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  async *#connection<T extends KubeObject>(
    kind: Kind<T>,
    revision: string,
    namespace: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const life = new AbortController();
    const [least, most] = this.#watchSeconds;
    // Jitter: watches that began together must not all come back together.
    const seconds = Math.round(least + Math.random() * (most - least));
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: revision,
      timeoutSeconds: String(seconds),
    };
    const request = { method: "GET", path: pathOf(kind, namespace), query } as const;
    const pulse = this.#pulse(kind, namespace, life);
    try {
      await this.#checkHistory(kind, revision, namespace);
      const events = await this.#events(kind, request, AbortSignal.any([signal, life.signal]));
      for await (const together of events) {
        pulse.heard();
        for (const { type, object } of together) {
          const { resourceVersion } = object.metadata;
          if (type === "bookmark") yield { type, revision: resourceVersion };
          else yield { type, object, revision: resourceVersion };
        }
      }
    } catch (error) {
      throw this.#watchError(error, kind, revision);
    } finally {
      pulse.stop();
      life.abort();
    }
  }

  /**
   * A server waits for ever with a watch from a revision that it has not reached (1.37), and after a restore from a
   * backup that may be days.
   * @throws TrunklineError `store.gone`
   */
  async #checkHistory(kind: Kind, revision: string, namespace: string | undefined): Promise<void> {
    const request = { method: "GET", path: pathOf(kind, namespace), query: { limit: "1" } } as const;
    const now = ((await this.#client.ask(request)) as RawMeta).metadata?.resourceVersion ?? "";
    // Revisions are whole numbers that only grow (Kubernetes 1.35, "comparable resource versions").
    if (/^\d+$/.test(now) && BigInt(now) < (/^\d+$/.test(revision) ? BigInt(revision) : 0n))
      throw new TrunklineError("store.gone", { from: revision });
  }

  async #events<T extends KubeObject>(
    kind: Kind<T>,
    request: ApiRequest,
    signal: AbortSignal,
  ): Promise<AsyncIterable<readonly ServerEvent<T>[]>> {
    return eventsOf(
      kind,
      this.#keep,
      await this.#client.stream(request, signal, acceptable(kind, this.#keep)),
    );
  }

  /** 410: compacted. 400: not a revision of this server at all. */
  #watchError(error: unknown, kind: Kind, from: string): unknown {
    if (!(error instanceof ApiRefusal)) return error;
    if (error.code === 410 || error.code === 400) return new TrunklineError("store.gone", { from });
    if (error.code >= 500)
      return new TrunklineError("store.unreachable", { place: this.#client.server, why: error.message });
    return this.#worded(error, kind, "");
  }

  /** A server that hangs leaves a watch silent: once it has been silent for long, ask for something. */
  #pulse(kind: Kind, namespace: string | undefined, life: AbortController) {
    let last = performance.now();
    const look = async () => {
      if (performance.now() - last < 6 * this.#timeoutMs) return;
      try {
        await this.#client.ask({ method: "GET", path: pathOf(kind, namespace), query: { limit: "1" } });
        last = performance.now();
      } catch {
        life.abort();
      }
    };
    const timer = setInterval(() => void look(), this.#timeoutMs);
    timer.unref();
    return { heard: () => (last = performance.now()), stop: () => clearInterval(timer) };
  }

  #worded(error: unknown, kind: Kind, name: string): unknown {
    if (!(error instanceof ApiRefusal)) return error;
    const facts = { kind: kind.kind, key: name };
    if (error.reason === "AlreadyExists") return new TrunklineError("store.exists", facts);
    if (error.code === 409) return new TrunklineError("store.conflict", { ...facts, why: error.message });
    if (error.code === 404) return new TrunklineError("store.not-found", facts);
    return new TrunklineError("store.refused", { place: this.#client.server, why: error.message });
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted)
      throw new TrunklineError("store.closed", { place: this.#client.server });
  }
}
