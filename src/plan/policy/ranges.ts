// Lists of ranges of addresses. Most policies name one or two; lists of countries or of a cloud's services have tens of
// thousands, and are numbers in one piece: as objects each range took 200 bytes, and making them was most of a change's time.
import type { Ip, IpRange } from "../../base/ip.ts";

export type RangeList = Iterable<IpRange> & { readonly length: number };

/** Many IPv4 ranges in the order in which they were written. */
export class PackedRanges implements Iterable<IpRange> {
  /** First and last address of one after the other. */
  readonly ends: Uint32Array;

  constructor(ends: Uint32Array) {
    this.ends = ends;
  }

  get length(): number {
    return this.ends.length / 2;
  }

  *[Symbol.iterator](): Iterator<IpRange> {
    const { ends } = this;
    for (let at = 0; at < ends.length; at += 2)
      yield { family: 4, first: BigInt(ends[at]!), last: BigInt(ends[at + 1]!) };
  }

  /** Returns whether one of them holds the address. */
  holds({ family, value }: Ip): boolean {
    if (family !== 4) return false;
    const { ends } = this;
    const wanted = Number(value);
    for (let at = 0; at < ends.length; at += 2)
      if (ends[at]! <= wanted && wanted <= ends[at + 1]!) return true;
    return false;
  }
}

/** Returns whether one of the ranges holds the address. */
export function rangesHold(ranges: RangeList, ip: Ip): boolean {
  if (ranges instanceof PackedRanges) return ranges.holds(ip);
  for (const { family, first, last } of ranges)
    if (family === ip.family && first <= ip.value && ip.value <= last) return true;
  return false;
}
