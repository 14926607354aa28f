// Small pieces of BIRD's language.
import { TrunklineError } from "../../base/errors.ts";

/** Returns the name of the attribute that holds communities of that size. */
export function communityAttribute(value: readonly number[]): string {
  return value.length === 2 ? "bgp_community" : "bgp_large_community";
}

export function pair(value: readonly number[]): string {
  return `(${value.join(", ")})`;
}

/** Returns whether BIRD's language can hold a text: it has no way to write a quote or a line's end inside quotes. */
export function isQuotable(text: string): boolean {
  return !text.includes('"') && Buffer.from(text).every((byte) => byte >= 0x20);
}

/** Puts a text in quotes. @throws TrunklineError `bird.unquotable` */
export function quoted(text: string): string {
  if (!isQuotable(text)) throw new TrunklineError("bird.unquotable", undefined);
  return `"${text}"`;
}
