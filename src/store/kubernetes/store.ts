// Objects that a Kubernetes API server keeps. Reads are the server's lists and watches; a write is a merge patch of
// what differs, bound to the version that was read.
import { immortalNamespaces } from "../../api/defaults.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { DeleteOptions, Listing, Store, WatchEvent } from "../store.ts";
import { checkNamespace, updated } from "../transition.ts";
import type { Access } from "./access.ts";
import { takenAnswer } from "./answers.ts";
import { ApiClient, ApiRefusal, type ApiRequest, type ClientOptions } from "./client.ts";
import type { Keep } from "./kept.ts";
import { Lists } from "./lists.ts";
import { mergePatch } from "./patch.ts";
import { worded } from "./refusals.ts";
import { pathOf, Resources } from "./resources.ts";
import { Watches } from "./watches.ts";

export interface KubernetesOptions extends ClientOptions {
  /** What is kept of objects in memory; default "all". */
  readonly keep?: Keep;
  /** How long the server lets a watch stand, seconds, least and most; default 300 to 600. */
  readonly watchSeconds?: readonly [least: number, most: number];
}

/** Returns the objects of a cluster; nothing is asked before the first use. */
export function kubernetesStore(access: Access, options: KubernetesOptions = {}): Store {
  return new KubernetesStore(access, options);
}

type Json = Record<string, unknown>;

class KubernetesStore implements Store {
  readonly #client: ApiClient;
  readonly #resources: Resources;
  readonly #keep: Keep;
  readonly #lists: Lists;
  readonly #watches: Watches;
  readonly #closing = new AbortController();

  constructor(
    access: Access,
    { keep = "all", watchSeconds = [300, 600], timeoutMs = 15_000 }: KubernetesOptions,
  ) {
    const client = new ApiClient(access, { timeoutMs });
    this.#client = client;
    this.#resources = new Resources(client);
    this.#keep = keep;
    this.#lists = new Lists({ client, keep, timeoutMs, closing: this.#closing.signal });
    this.#watches = new Watches({ client, keep, timeoutMs, watchSeconds });
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | undefined> {
    this.#checkOpen();
    checkNamespace(kind, namespace);
    try {
      return await this.#object(kind, { method: "GET", path: pathOf(kind, namespace, name) });
    } catch (error) {
      if (!(error instanceof ApiRefusal) || error.code !== 404) throw this.#worded(error, kind, name);
      if (error.reason === "") await this.#checkMissing(kind, error);
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
    return this.#lists.list(kind, namespace, heard);
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
      if (!(error instanceof ApiRefusal) || error.code !== 404) throw this.#worded(error, kind, name);
      if (error.reason === "") await this.#checkMissing(kind, error);
    }
  }

  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: { readonly from: string; readonly namespace?: string; readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>> {
    this.#checkOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return this.#watches.follow(kind, { ...options, signal });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#client.close();
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

  async #write<T extends KubeObject>(kind: Kind<T>, name: string, request: ApiRequest): Promise<T> {
    try {
      return await this.#object(kind, request);
    } catch (error) {
      throw this.#worded(error, kind, name);
    }
  }

  #object<T extends KubeObject>(kind: Kind<T>, request: ApiRequest): Promise<T> {
    return this.#client.fetch(request, "application/json", (answer) => takenAnswer(kind, answer, this.#keep));
  }

  /**
   * Not this object, or no such kind at all: that is another answer. A 404 without a Status says that there is nothing at
   * the path, or comes from something before the server that has no server at present.
   * @throws `store.unserved`, `store.unreachable`
   */
  async #checkMissing(kind: Kind, { reason }: ApiRefusal): Promise<void> {
    await (reason === "" ? this.#resources.again(kind) : this.#resources.of(kind));
  }

  #worded(error: unknown, kind: Kind, name: string): unknown {
    return worded(error, this.#client.server, kind, name);
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted)
      throw new TrunklineError("store.closed", { place: this.#client.server });
  }
}
