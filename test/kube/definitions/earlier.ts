// The definitions as an earlier release had them: types, words and required fields alone.

const later = [
  "x-kubernetes-validations",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
];

/** Returns a definition without what a later one says of values. */
export function earlier<T>(value: T): T {
  if (Array.isArray(value)) return value.map(earlier) as T;
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !later.includes(key));
  return Object.fromEntries(kept.map(([key, item]) => [key, earlier(item)])) as T;
}
