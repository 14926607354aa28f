// A list that a node keeps in a file, whole: what it cannot read there somebody else knows as well.
import { textOf } from "../../base/errors.ts";
import type { JournalFile } from "../../base/journal/file.ts";
import { parseJson } from "../../base/journal/lines.ts";

/** Returns what stands in the file; nothing where it is new, damaged, or holds something else, which `refused` is told. */
export function readList<T>(
  file: JournalFile,
  isOne: (value: unknown) => value is T,
  refused: (why: string) => void,
): readonly T[] {
  let text: string;
  try {
    text = file.read();
  } catch (error) {
    refused(textOf(error));
    return [];
  }
  if (text === "") return [];
  const parsed = parseJson(text);
  if (Array.isArray(parsed) && parsed.every(isOne)) return parsed;
  refused(Array.isArray(parsed) ? "an entry is no interface" : "it is no list");
  return [];
}

/** Puts a list in the place of the one before, whole or not at all. @throws what the system says */
export function writeList(file: JournalFile, list: Iterable<unknown>): void {
  file.replaceNow(`${JSON.stringify([...list])}\n`);
}
