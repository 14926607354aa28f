// Annotations of the node's own object, which other nodes and people read.
import { nodeKind } from "../api/kinds/core.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";

const ATTEMPTS = 5;

/** Sets annotations of a node, or takes them away where the value is undefined; writes nothing where all is so already. */
export async function setNodeAnnotations(
  store: Store,
  node: string,
  wanted: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (let left = ATTEMPTS; left > 0; left--) {
    const object = await store.get(nodeKind, node);
    if (!object) return;
    const annotations: Record<string, string> = { ...object.metadata.annotations };
    const changed = Object.entries(wanted).filter(([name, value]) => annotations[name] !== value);
    if (changed.length === 0) return;
    for (const [name, value] of changed) {
      if (value === undefined) delete annotations[name];
      else annotations[name] = value;
    }
    try {
      await store.update(nodeKind, { ...object, metadata: { ...object.metadata, annotations } });
      return;
    } catch (error) {
      // Somebody else wrote to the node in between.
      if (!isError(error, "store.conflict") || left === 1) throw error;
    }
  }
}
