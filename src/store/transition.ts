// What a write makes of the stored object: the rules of metadata that all drivers share, without any storage.
import { immortalNamespaces, terminating } from "../api/defaults.ts";
import { equalJson, plainJson } from "../api/equal.ts";
import { type Draft, type Kind, type KubeObject, keyOf, type ObjectMeta } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import type { DeleteOptions } from "./store.ts";

/** What a driver gives to a new object. */
export interface Stamp {
  readonly uid: string;
  readonly now: Date;
  /** Five random letters for generateName. */
  readonly suffix: string;
}

export type Transition<T> =
  | { readonly type: "none"; readonly object: T }
  | { readonly type: "write"; readonly object: T }
  | { readonly type: "remove"; readonly object: T };

/** Returns the place of a kind in a store. */
export function kindKey(kind: Kind): string {
  return `${kind.apiVersion}/${kind.kind}`;
}

/**
 * Returns the object that a create stores, still without its version.
 * @throws TrunklineError `store.name`
 */
export function created<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>, stamp: Stamp): T {
  const plain = plainJson(draft) as Draft<T>;
  const { metadata } = plain;
  const name = metadata.name || (metadata.generateName ? metadata.generateName + stamp.suffix : "");
  if (name === "") throw new TrunklineError("store.name", { kind: kind.kind, why: "it has no name" });
  checkNamespace(kind, metadata.namespace);
  const { deletionTimestamp: _deleted, ...given } = metadata;
  const meta: ObjectMeta = {
    ...given,
    name,
    uid: stamp.uid,
    resourceVersion: "",
    generation: 1,
    creationTimestamp: seconds(stamp.now),
  };
  // The rest of a draft is the object's own; apiVersion and kind are the descriptor's, whatever was handed in.
  return { ...plain, apiVersion: kind.apiVersion, kind: kind.kind, metadata: meta } as unknown as T;
}

/**
 * Returns what an update makes of the stored object.
 * @throws TrunklineError `store.conflict`, `store.not-found`
 */
export function updated<T extends KubeObject>(
  kind: Kind<T>,
  stored: T | undefined,
  object: T,
): Transition<T> {
  const key = keyOf(object);
  if (!stored) throw new TrunklineError("store.not-found", { kind: kind.kind, key });
  const { metadata } = object;
  if (metadata.resourceVersion !== stored.metadata.resourceVersion) {
    const why = `version ${metadata.resourceVersion || "(none)"} was read, ${stored.metadata.resourceVersion} is stored`;
    throw new TrunklineError("store.conflict", { kind: kind.kind, key, why });
  }
  // Identity and age belong to the store: what a writer says about them does not count.
  const plain = plainJson(object) as T;
  const { deletionTimestamp: _deleted, ...given } = plain.metadata;
  const old = stored.metadata;
  const meta: ObjectMeta = {
    ...given,
    uid: old.uid,
    resourceVersion: old.resourceVersion,
    generation: old.generation ?? 1,
    creationTimestamp: old.creationTimestamp,
    ...(old.deletionTimestamp === undefined ? {} : { deletionTimestamp: old.deletionTimestamp }),
  };
  const next = { ...plain, apiVersion: kind.apiVersion, kind: kind.kind, metadata: meta };
  if (equalJson(next, stored)) return { type: "none", object: stored };
  if (meta.deletionTimestamp !== undefined && (meta.finalizers ?? []).length === 0)
    return { type: "remove", object: next };
  const specChanged = !equalJson(Reflect.get(next, "spec"), Reflect.get(stored, "spec"));
  const generation = (old.generation ?? 1) + (specChanged ? 1 : 0);
  return { type: "write", object: { ...next, metadata: { ...meta, generation } } };
}

/**
 * Returns what a delete makes of the stored object.
 * @throws TrunklineError `store.conflict`, `store.forbidden`
 */
export function deleted<T extends KubeObject>(
  kind: Kind<T>,
  stored: T,
  options: DeleteOptions,
  now: Date,
): Transition<T> {
  const { metadata } = stored;
  const facts = { kind: kind.kind, key: keyOf(stored) };
  if (kind.kind === "Namespace" && immortalNamespaces.has(metadata.name))
    throw new TrunklineError("store.forbidden", { plural: kind.plural, name: metadata.name });
  if (options.uid !== undefined && options.uid !== metadata.uid)
    throw new TrunklineError("store.conflict", { ...facts, why: "it was deleted and created again" });
  if (options.resourceVersion !== undefined && options.resourceVersion !== metadata.resourceVersion) {
    const why = `version ${options.resourceVersion} was read, ${metadata.resourceVersion} is stored`;
    throw new TrunklineError("store.conflict", { ...facts, why });
  }
  if ((metadata.finalizers ?? []).length === 0) return { type: "remove", object: stored };
  if (metadata.deletionTimestamp !== undefined) return { type: "none", object: stored };
  const ending = { ...stored, metadata: { ...metadata, deletionTimestamp: seconds(now) } };
  return { type: "write", object: terminating(kind, ending) };
}

/** Returns the object with that version. */
export function withVersion<T extends KubeObject>(object: T, revision: number): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** @throws TrunklineError `store.name` when a namespace is missing or does not belong */
export function checkNamespace(kind: Kind, namespace: string | undefined): void {
  if (kind.namespaced && !namespace)
    throw new TrunklineError("store.name", { kind: kind.kind, why: "it has no namespace" });
  if (!kind.namespaced && namespace !== undefined)
    throw new TrunklineError("store.name", { kind: kind.kind, why: "the kind has no namespaces" });
}

// Letters that make no words and are not mistaken for one another.
const letters = "bcdfghjklmnpqrstvwxz2456789";

/** Returns five random letters for the end of a generated name. */
export function randomSuffix(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join("");
}

function seconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
