// The maps of ranges (ipBlock) of isolated pods: what they are called by, and what is in them. A map's name goes by its shape and not by
// its ranges, so that one range more is one element and not a map of its own.
import { formatIp, type IpRange } from "../../../base/ip.ts";
import type { BlockPorts } from "../blocks.ts";

/** Returns a range as a key of a map. */
export function rangeKey({ family, first, last }: IpRange): string {
  const from = formatIp({ family, value: first });
  return first === last ? from : `${from}-${formatIp({ family, value: last })}`;
}

/**
 * Returns what is the same of two lists of ranges exactly where they are of the same rules with the same ports: which ranges
 * these have follows from their policies, of which there is one version at any time.
 */
export function shapeOf(blocks: readonly BlockPorts[]): string {
  const kinds = new Map<string, Set<readonly string[]>>();
  for (const { range, ports, rules } of blocks) {
    const kind = `${range.family} ${ports.key}`;
    const known = kinds.get(kind);
    if (known) known.add(rules);
    else kinds.set(kind, new Set([rules]));
  }
  const lines = [...kinds].flatMap(([kind, all]) => [...all].map((rules) => `${kind} ${rules.join()}\n`));
  return [...new Set(lines)].toSorted().join("");
}

function isSame(a: BlockPorts, b: BlockPorts): boolean {
  return a.range.first === b.range.first && a.range.last === b.range.last && a.ports.key === b.ports.key;
}

/** Returns what goes out of a map of one family, and what comes into it. */
export function changesOf(
  before: readonly BlockPorts[] = [],
  now: readonly BlockPorts[],
): { readonly gone: readonly BlockPorts[]; readonly fresh: readonly BlockPorts[] } {
  const [gone, fresh]: [BlockPorts[], BlockPorts[]] = [[], []];
  for (let [i, j] = [0, 0]; i < before.length || j < now.length; ) {
    const [a, b] = [before[i], now[j]];
    if (a && b && isSame(a, b)) {
      i++;
      j++;
    } else if (a && (!b || a.range.first <= b.range.first)) {
      gone.push(a);
      i++;
    } else {
      if (b) fresh.push(b);
      j++;
    }
  }
  return { gone, fresh };
}

/**
 * Returns whether addresses that stay in a map of one family would be of another element of it: what is new in a map with ranges is
 * found only a moment after the transaction in which the old goes, and somebody who stays allowed would be refused meanwhile.
 */
export function cutsKept(before: readonly BlockPorts[] = [], now: readonly BlockPorts[]): boolean {
  for (let [i, j] = [0, 0]; i < before.length && j < now.length; ) {
    const [a, b] = [before[i]!, now[j]!];
    if (a.range.last < b.range.first) i++;
    else if (b.range.last < a.range.first) j++;
    else if (isSame(a, b)) {
      i++;
      j++;
    } else return true;
  }
  return false;
}
