// Comparison of JSON values as an API server sees them: an absent field and an undefined one are the same.

/** Returns whether two JSON values are equal; the order of keys does not matter. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, at) => equalJson(item, b[at]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key of Object.keys(left)) if (!equalJson(left[key], right[key])) return false;
  for (const key of Object.keys(right)) if (left[key] === undefined && right[key] !== undefined) return false;
  return true;
}

/** Freezes a JSON value and all that it holds, so that one copy can be shared. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    if (Array.isArray(value)) for (const inner of value as unknown[]) deepFreeze(inner);
    else for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key]);
  }
  return value;
}

/**
 * Returns a JSON value that nobody else can change: what a caller hands in may hold undefined and be changed later. What is frozen
 * (as all is that comes from a store) is shared and not copied: an object with ten thousand entries is changed in one of them.
 */
export function plainJson(value: unknown): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null || Number.isFinite(value))
    return value;
  if (typeof value !== "object") return plainOf(value);
  if (Object.isFrozen(value)) return value;
  if (Array.isArray(value)) return value.map((item) => plainJson(item) ?? null);
  if ("toJSON" in value) return plainOf(value);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const plain = plainJson((value as Record<string, unknown>)[key]);
    if (plain === undefined) continue;
    if (key === "__proto__")
      Object.defineProperty(copy, key, {
        value: plain,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else copy[key] = plain;
  }
  return copy;
}

function plainOf(value: unknown): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : JSON.parse(text);
}
