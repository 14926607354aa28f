// Finds what somebody may have meant by a mistyped label: stricter than suggestions for command words, because labels
// that differ by several letters are usually two labels.
import { nearest } from "../../base/suggest.ts";

/**
 * Returns the other text that is most like `word`, by two letters at most; undefined if none is that near. Of equally
 * near ones the first by the alphabet.
 */
export function nearestLabel(word: string, candidates: Iterable<string>): string | undefined {
  const others = [...candidates].filter((text) => text !== word);
  return nearest(word, others.toSorted(), 2);
}
