// One condition of an object, where its owner looks first.

import { withCondition } from "../api/conditions.ts";
import type { Condition } from "../api/kinds/core.ts";
import type { Kind, KubeObject } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import { stampOf } from "../base/stamp.ts";
import type { Store } from "./store.ts";

const ATTEMPTS = 5;
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
  for (let left = ATTEMPTS; left > 0; left--) {
    const object = await store.get(kind, name);
    if (!object) return;
    const conditions = object.status?.conditions ?? [];
    const before = conditions.find(({ type }) => type === condition.type);
    const { status, reason } = condition;
    if (before?.status === status && before.reason === reason && before.message === message) return;
    try {
      await store.update(kind, {
        ...object,
        status: {
          ...object.status,
          conditions: withCondition(conditions, { ...condition, message }, stampOf()),
        },
      });
      return;
    } catch (error) {
      // Somebody else wrote to the object in between.
      if (!isError(error, "store.conflict")) throw error;
    }
  }
}
