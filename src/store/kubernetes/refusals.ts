// What a server's no means, in the store's own words.
import type { Kind } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { ApiRefusal } from "./client.ts";

/** Returns the error with a code that a server's no stands for; any other error as it is. */
export function worded(error: unknown, server: string, kind: Kind, name = ""): unknown {
  if (!(error instanceof ApiRefusal)) return error;
  const facts = { kind: kind.kind, key: name };
  if (error.reason === "AlreadyExists") return new TrunklineError("store.exists", facts);
  if (error.code === 409) return new TrunklineError("store.conflict", { ...facts, why: error.message });
  if (error.code === 404) return new TrunklineError("store.not-found", facts);
  return new TrunklineError("store.refused", { place: server, why: error.message });
}
