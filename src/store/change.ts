// Writing objects that others write at the same time.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kind, KubeObject } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "./store.ts";

export interface ChangedObject {
  readonly name: string;
  readonly namespace?: string | undefined;
  /** Of the object that is meant; absent: whichever has the name. */
  readonly uid?: string | undefined;
}

/** With the pauses between them some twenty seconds, in which hundreds of writers of one object have had their turn. */
const RETRIES = 20;
const LONGEST_PAUSE_MS = 2000;

/**
 * Reads the object, hands it to `edit`, and writes what that returns; again with a fresh copy when somebody else was
 * quicker, after a pause that grows. Does nothing where the object is gone or is another one of the same name. `edit` returns
 * undefined to leave it as it is.
 * @param retries how often somebody else may be quicker; default 20
 * @param known a copy of the object to try first, as a watch has told it; default: it is read
 * @param pauseMs the second pause (the first time there is none), in milliseconds; default 10
 * @returns the object as it is then; undefined: it is gone
 * @throws `store.conflict` after the last one, and what else the store throws
 */
export async function change<T extends KubeObject>(
  store: Store,
  kind: Kind<T>,
  { name, namespace, uid }: ChangedObject,
  edit: (object: T) => T | undefined,
  retries = RETRIES,
  known?: T,
  pauseMs = 10,
): Promise<T | undefined> {
  let copy = known;
  for (let conflicts = 0; ; ) {
    const object = copy ?? (await store.get(kind, name, namespace));
    copy = undefined;
    if (!object || (uid !== undefined && object.metadata.uid !== uid)) return undefined;
    const edited = edit(object);
    if (!edited) return object;
    try {
      return await store.update(kind, edited);
    } catch (error) {
      if (isError(error, "store.not-found")) return undefined;
      if (!isError(error, "store.conflict") || ++conflicts > retries) throw error;
    }
    // One conflict is chance, and a copy that was known only old. More mean that many write: they must spread.
    if (conflicts > 1) await sleep(jittered(Math.min(pauseMs * 2 ** (conflicts - 2), LONGEST_PAUSE_MS)));
  }
}

function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
