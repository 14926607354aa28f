// Writing objects that others write at the same time.
import type { Kind, KubeObject } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";

/**
 * Reads the object, hands it to `change`, and writes what that returns; again with a fresh copy when somebody else was
 * quicker. Does nothing where the object is gone or is another one of the same name. `change` returns undefined to
 * leave it as it is.
 */
export async function change<T extends KubeObject>(
  store: Store,
  kind: Kind<T>,
  { name, namespace, uid }: { readonly name: string; readonly namespace?: string; readonly uid: string },
  edit: (object: T) => T | undefined,
): Promise<void> {
  for (;;) {
    const object = await store.get(kind, name, namespace);
    if (!object || object.metadata.uid !== uid) return;
    const edited = edit(object);
    if (!edited) return;
    try {
      await store.update(kind, edited);
      return;
    } catch (error) {
      if (isError(error, "store.not-found")) return;
      if (!isError(error, "store.conflict")) throw error;
    }
  }
}
