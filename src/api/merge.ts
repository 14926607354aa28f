// The three-way merge behind apply: what was applied before, what is written now, what is stored. Fields that the
// writer had set and no longer sets go away; fields that others set stay.

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/**
 * Lists whose items have an identity, by the list's field name: they are merged item by item, all others are replaced
 * as a whole. A list is merged only where every item has the key, so a policy's `ports` is not taken for a container's.
 */
const itemKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  initContainers: ["name"],
  env: ["name"],
  ports: ["containerPort", "protocol"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  imagePullSecrets: ["name"],
  ownerReferences: ["uid"],
  conditions: ["type"],
  taints: ["key", "effect"],
};
const itemDefaults: JsonObject = { protocol: "TCP" };

/** Returns what the stored object becomes. `last` is what the same writer applied before, undefined if nothing. */
export function threeWayMerge(last: Json, written: Json, stored: Json): Json {
  return merge(last, written, stored, "");
}

function merge(last: Json, written: Json, stored: Json, field: string): Json {
  if (isObject(written) && isObject(stored)) return mergeObjects(isObject(last) ? last : {}, written, stored);
  if (Array.isArray(written) && Array.isArray(stored)) {
    const merged = mergeLists(Array.isArray(last) ? last : [], written, stored, itemKeys[field]);
    if (merged) return merged;
  }
  return written;
}

function mergeObjects(last: JsonObject, written: JsonObject, stored: JsonObject): JsonObject {
  const out = new Map(Object.entries(stored));
  for (const key of Object.keys(last)) if (!Object.hasOwn(written, key)) out.delete(key);
  for (const [key, value] of Object.entries(written)) {
    const was = Object.hasOwn(last, key) ? last[key] : undefined;
    out.set(key, Object.hasOwn(stored, key) ? merge(was, value, stored[key], key) : value);
  }
  return Object.fromEntries(out);
}

function mergeLists(
  last: readonly Json[],
  written: readonly Json[],
  stored: readonly Json[],
  keys: readonly string[] | undefined,
): Json[] | undefined {
  const before = byKey(last, keys);
  const now = byKey(written, keys);
  const there = byKey(stored, keys);
  // Two items of one key cannot be told apart.
  if (!before || !now || !there) return undefined;
  const out = [...now].map(([key, item]) =>
    there.has(key) ? merge(before.get(key), item, there.get(key), "") : item,
  );
  for (const [key, item] of there) if (!now.has(key) && !before.has(key)) out.push(item);
  return out;
}

function byKey(items: readonly Json[], keys: readonly string[] | undefined): Map<string, Json> | undefined {
  if (!keys) return undefined;
  const out = new Map<string, Json>();
  for (const item of items) {
    if (!isObject(item) || item[keys[0] ?? ""] === undefined) return undefined;
    const key = JSON.stringify(keys.map((name) => item[name] ?? itemDefaults[name]));
    if (out.has(key)) return undefined;
    out.set(key, item);
  }
  return out;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
