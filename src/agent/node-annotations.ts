// Annotations of the node's own object, which other nodes and people read.
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { change } from "../store/change.ts";
import type { Store } from "../store/store.ts";

const RETRIES = 4;

/** Sets annotations of a node, or takes them away where the value is undefined; writes nothing where all is so already. */
export async function setNodeAnnotations(
  store: Store,
  node: string,
  wanted: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const edit = (object: Node): Node | undefined => {
    const annotations: Record<string, string> = { ...object.metadata.annotations };
    const changed = Object.entries(wanted).filter(([name, value]) => annotations[name] !== value);
    if (changed.length === 0) return undefined;
    for (const [name, value] of changed) {
      if (value === undefined) delete annotations[name];
      else annotations[name] = value;
    }
    return { ...object, metadata: { ...object.metadata, annotations } };
  };
  await change(store, nodeKind, { name: node }, edit, RETRIES);
}
