// Reading the words of a question.
import { TrunklineError } from "../../base/errors.ts";

/** @throws TrunklineError `ui.missing` */
export function wanted(query: URLSearchParams, name: string): string {
  const value = query.get(name)?.trim();
  if (value === undefined || value === "") throw new TrunklineError("ui.missing", { name });
  return value;
}

/** Returns a word that may be left out. */
export function optional(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name)?.trim();
  return value === undefined || value === "" ? undefined : value;
}

/** Returns a whole number from 0 to `most`. @throws TrunklineError `ui.value` */
export function count(query: URLSearchParams, name: string, usual: number, most: number): number {
  const text = optional(query, name);
  if (text === undefined) return usual;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value > most)
    throw new TrunklineError("ui.value", { name, value: text, why: `it is a number from 0 to ${most}` });
  return value;
}
