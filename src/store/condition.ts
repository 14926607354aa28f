// One condition of an object, where its owner looks first.

import { withCondition } from "../api/conditions.ts";
import type { Condition } from "../api/kinds/core.ts";
import type { Kind, KubeObject } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import { stampOf } from "../base/stamp.ts";
import { change } from "./change.ts";
import type { Store } from "./store.ts";

const RETRIES = 4;
/** Kubernetes keeps at most 32768 characters; nobody reads as many. */
const LONGEST = 1024;

interface Conditioned extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Sets a condition of an object without a namespace; does nothing where it says the same already, or there is no object. */
export async function setCondition<T extends Conditioned>(
  store: Store,
  kind: Kind<T>,
  name: string,
  condition: Pick<Condition, "type" | "status" | "reason" | "message">,
): Promise<void> {
  const message = condition.message?.slice(0, LONGEST) ?? "";
  const edit = (object: T): T | undefined => {
    const conditions = object.status?.conditions ?? [];
    const before = conditions.find(({ type }) => type === condition.type);
    const { status, reason } = condition;
    if (before?.status === status && before.reason === reason && before.message === message) return undefined;
    const fresh = withCondition(conditions, { ...condition, message }, stampOf());
    return { ...object, status: { ...object.status, conditions: fresh } };
  };
  try {
    await change(store, kind, { name }, edit, RETRIES);
  } catch (error) {
    // Others write all the time: it is told again with the next change.
    if (!isError(error, "store.conflict")) throw error;
  }
}
