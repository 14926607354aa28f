// The address space cut at the ends of ranges: all addresses of a cell are alike to whoever asks by these ranges only, so
// that one of them answers for all.
import { type Cidr, cidrRange, type Family, familyBits, type IpRange } from "../../../base/ip.ts";

/** Returns the cells that the ends of these ranges cut a family's whole space into, ascending. */
export function cellsOf(family: Family, ranges: Iterable<IpRange>): IpRange[] {
  const starts = new Set<bigint>([0n]);
  const end = 1n << BigInt(familyBits(family));
  for (const range of ranges) {
    if (range.family !== family) continue;
    starts.add(range.first);
    if (range.last + 1n < end) starts.add(range.last + 1n);
  }
  const cuts = [...starts].toSorted((a, b) => (a < b ? -1 : 1));
  return cuts.map((first, at) => ({ family, first, last: (cuts[at + 1] ?? end) - 1n }));
}

/** Returns whether a cell lies in a range; a cell is cut at the range's ends, so it never lies there in part. */
export function isIn(cell: IpRange, { family, first, last }: IpRange): boolean {
  return cell.family === family && first <= cell.first && cell.last <= last;
}

/** Returns whether a cell lies in a range of prefix form that cut it. */
export function isInCidr(cell: IpRange, cidr: Cidr): boolean {
  return isIn(cell, cidrRange(cidr));
}
