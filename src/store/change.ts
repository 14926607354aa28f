// Writing objects that others write at the same time.
import type { Kind, KubeObject } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "./store.ts";

export interface ChangedObject {
  readonly name: string;
  readonly namespace?: string | undefined;
  /** Of the object that is meant; absent: whichever has the name. */
  readonly uid?: string | undefined;
}

/**
 * Reads the object, hands it to `edit`, and writes what that returns; again with a fresh copy when somebody else was
 * quicker. Does nothing where the object is gone or is another one of the same name. `edit` returns undefined to
 * leave it as it is.
 * @param retries how often somebody else may be quicker; default: as often as it happens
 * @param known a copy of the object to try first, as a watch has told it; default: it is read
 * @returns the object as it is then; undefined: it is gone
 * @throws `store.conflict` after the last one, and what else the store throws
 */
export async function change<T extends KubeObject>(
  store: Store,
  kind: Kind<T>,
  { name, namespace, uid }: ChangedObject,
  edit: (object: T) => T | undefined,
  retries = Number.POSITIVE_INFINITY,
  known?: T,
): Promise<T | undefined> {
  let copy = known;
  for (let left = retries; ; left--) {
    const object = copy ?? (await store.get(kind, name, namespace));
    copy = undefined;
    if (!object || (uid !== undefined && object.metadata.uid !== uid)) return undefined;
    const edited = edit(object);
    if (!edited) return object;
    try {
      return await store.update(kind, edited);
    } catch (error) {
      if (isError(error, "store.not-found")) return undefined;
      if (!isError(error, "store.conflict") || left === 0) throw error;
    }
  }
}
