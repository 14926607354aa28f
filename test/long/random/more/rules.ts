// Rules that reviews have found explain to be wrong about, or that nobody had drawn. Of all of them explain is to be sure; what
// it may not be sure of is in unknowable.ts.
import { early, headers, icmp, marks, marksOfFirst, rejections } from "./packets.ts";
import { extensions, nests, sets } from "./shapes.ts";
import { onTheWay, translations } from "./translations.ts";
import type { Kind } from "./words.ts";

/** Neighbours are unlike one another, so that a lab that takes some in turn has one of each sort. */
export const moreRules: readonly Kind[] = mixed([
  marks,
  marksOfFirst,
  onTheWay,
  icmp,
  headers,
  translations,
  early,
  rejections,
  sets,
  nests,
  extensions,
]);

/** One of each list, then the next of each. */
function mixed<T>(lists: readonly (readonly T[])[]): T[] {
  const most = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: most }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
}
