// What was last said against objects, for commands that tell why something does not come to pass.
import { eventKind } from "../../api/kinds/core.ts";
import type { Store } from "../../store/store.ts";

/** Returns the message of the newest warning about each object, by the object's uid. */
export async function lastWarnings(store: Store): Promise<Map<string, string>> {
  const { items } = await store.list(eventKind);
  const warnings = items
    .filter(({ type }) => type === "Warning")
    .map(({ involvedObject, message, lastTimestamp, firstTimestamp, metadata }) => ({
      uid: involvedObject.uid ?? "",
      message,
      at: lastTimestamp ?? firstTimestamp ?? metadata.creationTimestamp ?? "",
    }))
    // Times in RFC 3339, all in UTC, are in order as texts are.
    .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return new Map(warnings.map(({ uid, message }) => [uid, message]));
}
