// One condition of the node's own object, where its owner looks first.
import { type Condition, nodeKind } from "../api/kinds/core.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";

const ATTEMPTS = 5;
/** Kubernetes keeps at most 32768 characters; nobody reads as many. */
const LONGEST = 1024;

/** Sets a condition of a node; does nothing where it says the same already, or the node has no object. */
export async function setNodeCondition(
  store: Store,
  node: string,
  condition: Pick<Condition, "type" | "status" | "reason" | "message">,
): Promise<void> {
  const message = condition.message?.slice(0, LONGEST) ?? "";
  for (let left = ATTEMPTS; left > 0; left--) {
    const object = await store.get(nodeKind, node);
    if (!object) return;
    const conditions = object.status?.conditions ?? [];
    const before = conditions.find(({ type }) => type === condition.type);
    if (before?.status === condition.status && before.message === message) return;
    const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const fresh: Condition = { ...condition, message, lastTransitionTime: since ?? now };
    const others = conditions.filter(({ type }) => type !== condition.type);
    try {
      await store.update(nodeKind, {
        ...object,
        status: { ...object.status, conditions: [...others, fresh] },
      });
      return;
    } catch (error) {
      // Somebody else wrote to the node in between.
      if (!isError(error, "store.conflict")) throw error;
    }
  }
}
