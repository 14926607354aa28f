// The maps of ranges (ipBlock) of isolated pods: what they are called by, and what is in them. A map's name goes by its shape and not by
// its ranges, so that one range more is one element and not a map of its own.
import { formatIp } from "../../../base/ip.ts";
import type { Blocks, FamilyBlocks } from "../blocks.ts";

/** Returns the range at a place as a key of a map. */
export function rangeKey({ family, firsts, lasts }: FamilyBlocks, at: number): string {
  const [first, last] = [firsts[at]!, lasts[at]!];
  const text = (value: number | bigint) => formatIp({ family, value: BigInt(value) });
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}

/**
 * Returns what is the same of two lists of ranges exactly where they are of the same rules with the same ports: which ranges
 * these have follows from their policies, of which there is one version at any time.
 */
export function shapeOf(blocks: Blocks): string {
  const lines = new Set<string>();
  for (const { family, kinds, kindOf } of [blocks[4], blocks[6]]) {
    // Of several that overlap there may be none alone.
    const used = new Uint8Array(kinds.length);
    for (let at = 0; at < kindOf.length; at++) used[kindOf[at]!] = 1;
    for (const [number, { ports, rules }] of kinds.entries())
      if (used[number] === 1) lines.add(`${family} ${ports.key} ${rules.join()}\n`);
  }
  return [...lines].toSorted().join("");
}

/** Returns whether two places of two lists are the same range with the same ports. */
type Same = (a: number, b: number) => boolean;

function sameIn(before: FamilyBlocks, now: FamilyBlocks): Same {
  const equal = before.kinds.map(({ ports }) => now.kinds.map((kind) => kind.ports.key === ports.key));
  return (a, b) =>
    before.firsts[a] === now.firsts[b] &&
    before.lasts[a] === now.lasts[b] &&
    equal[before.kindOf[a]!]![now.kindOf[b]!]!;
}

/** Returns the places of what goes out of a map of one family, in what it had, and of what comes into it. */
export function changesOf(
  before: FamilyBlocks | undefined,
  now: FamilyBlocks,
): { readonly gone: readonly number[]; readonly fresh: readonly number[] } {
  const [gone, fresh]: [number[], number[]] = [[], []];
  const isSame = before ? sameIn(before, now) : () => false;
  const [had, have] = [before?.firsts ?? [], now.firsts];
  for (let [a, b] = [0, 0]; a < had.length || b < have.length; ) {
    if (a < had.length && b < have.length && isSame(a, b)) {
      a++;
      b++;
    } else if (a < had.length && (b >= have.length || had[a]! <= have[b]!)) gone.push(a++);
    else fresh.push(b++);
  }
  return { gone, fresh };
}

/**
 * Returns whether addresses that stay in a map of one family would be of another element of it: what is new in a map with ranges is
 * found only a moment after the transaction in which the old goes, and somebody who stays allowed would be refused meanwhile.
 */
export function cutsKept(before: FamilyBlocks | undefined, now: FamilyBlocks): boolean {
  if (!before) return false;
  const isSame = sameIn(before, now);
  for (let [a, b] = [0, 0]; a < before.firsts.length && b < now.firsts.length; ) {
    if (before.lasts[a]! < now.firsts[b]!) a++;
    else if (now.lasts[b]! < before.firsts[a]!) b++;
    else if (isSame(a, b)) {
      a++;
      b++;
    } else return true;
  }
  return false;
}
