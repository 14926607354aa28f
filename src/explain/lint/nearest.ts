// Finds what somebody may have meant by a mistyped label: stricter than suggestions for command words, because labels
// that differ by several letters are usually two labels.
import { editDistance } from "../../base/suggest.ts";

/**
 * Returns the candidate that is most like `word`: at most two letters added, left out, changed or swapped, and at
 * most a third of the word; undefined if none is that near. Of equally near ones the first by the alphabet.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.min(2, Math.floor(Math.max(word.length, 3) / 3));
  let best: { text: string; distance: number } | undefined;
  for (const text of [...candidates].toSorted()) {
    if (text === word || Math.abs(text.length - word.length) > limit) continue;
    const distance = editDistance(word.toLowerCase(), text.toLowerCase());
    if (distance <= limit && (!best || distance < best.distance)) best = { text, distance };
  }
  return best?.text;
}
