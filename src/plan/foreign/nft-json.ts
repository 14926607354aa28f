// nft's JSON before anything is known of its shape.

/** An object of it. */
export type Json = Readonly<Record<string, unknown>>;

/** Returns an object; undefined: it is none. */
export function asObject(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** Returns a list, one element where a word stands for a list, none where neither does. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : typeof value === "string" ? [value] : [];
}
