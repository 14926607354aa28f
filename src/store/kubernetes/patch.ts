// JSON Merge Patch (RFC 7396): what turns one object into another. A patch writes what differs and nothing else, so
// fields that this version does not know, or did not keep, survive its writes.
import { equalJson } from "../../api/equal.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Returns the merge patch that turns `from` into `to`, or undefined if they are equal. Lists are replaced whole. */
export function mergePatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(from))
    if (from[key] !== undefined && to[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const before = from[key];
    if (value === undefined || equalJson(before, value)) continue;
    if (isObject(value) && isObject(before)) patch[key] = mergePatch(before, value);
    // A null within a new object would be read as "remove": it says the same as absence.
    else patch[key] = isObject(value) ? withoutNulls(value) : value;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function withoutNulls(value: JsonObject): JsonObject {
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, isObject(inner) ? withoutNulls(inner) : inner]),
  );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
