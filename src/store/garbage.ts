// What has to go because something else went: objects whose owners are all gone, and the contents of namespaces that
// are being deleted.
import { namespaceFinalizer } from "../api/defaults.ts";
import { type Namespace, namespaceKind } from "../api/kinds/core.ts";
import { allKinds, kindOf } from "../api/kinds/index.ts";
import type { Kind, KubeObject, OwnerReference } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "./store.ts";

export interface Stored {
  readonly kind: Kind;
  readonly object: KubeObject;
}

export interface Garbage {
  /** To be deleted, if they are still the same incarnation. */
  readonly remove: readonly Stored[];
  /** Namespaces that are empty now and may go. */
  readonly finish: readonly Namespace[];
}

/** Returns what has to go, given all objects of a store. Owners of kinds that are not known count as alive. */
export function garbageOf(all: readonly Stored[]): Garbage {
  const alive = new Set(all.map(({ object }) => object.metadata.uid));
  const dying = all.filter(isDyingNamespace).map(({ object }) => object as Namespace);
  const names = new Set(dying.map((namespace) => namespace.metadata.name));
  const doomed = all.filter(({ object }) => {
    if (object.metadata.deletionTimestamp !== undefined) return false;
    return names.has(object.metadata.namespace ?? "") || isOrphan(object, alive);
  });
  const inhabited = new Set(all.map(({ object }) => object.metadata.namespace ?? ""));
  const finish = dying.filter((namespace) => !inhabited.has(namespace.metadata.name));
  return { remove: doomed, finish };
}

/** Returns whether the object has owners, and all of them are gone. */
export function isOrphan(object: KubeObject, alive: ReadonlySet<string>): boolean {
  const owners = object.metadata.ownerReferences ?? [];
  return owners.length > 0 && owners.every((owner) => isKnown(owner) && !alive.has(owner.uid));
}

function isKnown(owner: OwnerReference): boolean {
  return kindOf(owner.apiVersion, owner.kind) !== undefined;
}

export function isDyingNamespace({ kind, object }: Stored): boolean {
  const { deletionTimestamp, finalizers = [] } = object.metadata;
  return (
    kind.kind === "Namespace" && deletionTimestamp !== undefined && finalizers.includes(namespaceFinalizer)
  );
}

/** Returns every object of a store. */
export async function everything(store: Store): Promise<Stored[]> {
  const lists = await Promise.all(
    allKinds.map(async (kind) => {
      const { items } = await store.list(kind);
      return items.map((object) => ({ kind, object }));
    }),
  );
  return lists.flat();
}

/** Removes all that has to go, and what has to go because of that, until nothing more can be done at once. */
export async function collectGarbage(store: Store): Promise<void> {
  for (;;) {
    const { remove, finish } = garbageOf(await everything(store));
    for (const one of remove) await removeObject(store, one);
    for (const namespace of finish) await finishNamespace(store, namespace);
    if (remove.length === 0 && finish.length === 0) return;
  }
}

/** Deletes that incarnation of the object; it does not matter if it is gone or was made anew. */
export async function removeObject(store: Store, { kind, object }: Stored): Promise<void> {
  const { name, namespace, uid } = object.metadata;
  try {
    await store.delete(kind, name, namespace, { uid });
  } catch (error) {
    if (!isError(error, "store.conflict")) throw error;
  }
}

/** Lets a namespace go that has nothing in it. */
export async function finishNamespace(store: Store, { metadata }: Namespace): Promise<void> {
  const namespace = await store.get(namespaceKind, metadata.name);
  if (namespace?.metadata.deletionTimestamp === undefined) return;
  const finalizers = (namespace.metadata.finalizers ?? []).filter((name) => name !== namespaceFinalizer);
  try {
    await store.update(namespaceKind, { ...namespace, metadata: { ...namespace.metadata, finalizers } });
  } catch (error) {
    // Somebody else finished it, or changed it: the next look sees that.
    if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
  }
}
