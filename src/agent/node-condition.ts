// One condition of the node's own object, where its owner looks first.
import { type Condition, nodeKind } from "../api/kinds/core.ts";
import { setCondition } from "../store/condition.ts";
import type { Store } from "../store/store.ts";

/** Sets a condition of a node; does nothing where it says the same already, or the node has no object. */
export function setNodeCondition(
  store: Store,
  node: string,
  condition: Pick<Condition, "type" | "status" | "reason" | "message">,
): Promise<void> {
  return setCondition(store, nodeKind, node, condition);
}
