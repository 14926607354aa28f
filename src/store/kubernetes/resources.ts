// Where a kind's objects are on a server, and whether their status is written apart: asked of the server once
// (discovery), since a cluster may have other versions of a definition than this build.
import type { Kind } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { type ApiClient, ApiRefusal } from "./client.ts";

export interface Resource {
  readonly kind: Kind;
  /** A status subresource: what is written to the object itself leaves the status alone, and the other way round. */
  readonly ownStatus: boolean;
}

interface ResourceList {
  readonly resources?: readonly { readonly name?: string; readonly kind?: string }[] | null;
}

export class Resources {
  readonly #client: ApiClient;
  readonly #groups = new Map<string, Promise<ReadonlySet<string>>>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** @throws TrunklineError `store.unserved` if the server has no such kind, `store.unreachable` */
  async of(kind: Kind): Promise<Resource> {
    const root = rootOf(kind);
    let names = this.#groups.get(root);
    if (names === undefined) {
      names = this.#discover(root);
      this.#groups.set(root, names);
      // A failure is not remembered, nor that a definition is not there yet.
      names.catch(() => this.#groups.delete(root));
    }
    const known = await names;
    if (known.has(kind.plural)) return { kind, ownStatus: known.has(`${kind.plural}/status`) };
    this.#groups.delete(root);
    throw new TrunklineError("store.unserved", { kind: kind.kind, apiVersion: kind.apiVersion });
  }

  /** Asks the server anew, since it says of the kind's own path that there is nothing. @throws as `of` */
  async again(kind: Kind): Promise<Resource> {
    this.#groups.delete(rootOf(kind));
    return this.of(kind);
  }

  async #discover(root: string): Promise<ReadonlySet<string>> {
    try {
      const request = { method: "GET", path: root } as const;
      return await this.#client.fetch(request, "application/json", ({ body }) => namesOf(body));
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.code === 404) return new Set();
      throw new TrunklineError(
        "store.refused",
        { place: this.#client.server, why: error.message },
        { cause: error },
      );
    }
  }
}

/** @throws Error for another answer: of whatever stands before a server, it must not mean that the server has no kinds */
function namesOf(body: Buffer): ReadonlySet<string> {
  const { resources } = JSON.parse(body.toString("utf8")) as ResourceList;
  if (resources === undefined) throw new Error("the answer names no kinds of an API server");
  return new Set((resources ?? []).map(({ name = "" }) => name));
}

/** Returns the path of one object, or without a name of a kind's objects, in a namespace or in all. */
export function pathOf(kind: Kind, namespace?: string, name?: string, part?: "status"): string {
  const rooms = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${rootOf(kind)}${rooms}/${kind.plural}${object}${part === undefined ? "" : `/${part}`}`;
}

function rootOf({ apiVersion }: Kind): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
