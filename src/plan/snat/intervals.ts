// Disjoint, ascending intervals that carry values: what an nft interval map holds. One family at a time.
import { type Cidr, cidrRange, type Family, type IpRange } from "../../base/ip.ts";

export interface Segment<T> {
  readonly first: bigint;
  readonly last: bigint;
  readonly value: T;
}

/** Returns the same addresses as ascending ranges that neither overlap nor touch. */
export function unionOf(ranges: readonly IpRange[], family: Family): IpRange[] {
  const sorted = ranges
    .filter((range) => range.family === family)
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const out: { family: Family; first: bigint; last: bigint }[] = [];
  for (const range of sorted) {
    const before = out.at(-1);
    if (before && range.first <= before.last + 1n) {
      if (range.last > before.last) before.last = range.last;
    } else out.push({ ...range });
  }
  return out;
}

/** Returns, for layers in order of precedence, the value of the first layer that holds each address. */
export function layered<T>(
  layers: readonly { readonly ranges: readonly IpRange[]; readonly value: T }[],
  family: Family,
): Segment<T>[] {
  let out: Segment<T>[] = [];
  for (const { ranges, value } of layers) {
    out = underlay(
      out,
      unionOf(ranges, family).map(({ first, last }) => ({ first, last, value })),
    );
  }
  return joined(out);
}

/** Adds those parts of `lower` that `upper` leaves free. Both ascend and are disjoint; one pass over both. */
function underlay<T>(upper: readonly Segment<T>[], lower: readonly Segment<T>[]): Segment<T>[] {
  const out: Segment<T>[] = [];
  let at = 0;
  for (const { first, last, value } of lower) {
    let from = first;
    for (; at < upper.length; at++) {
      const over = upper[at] as Segment<T>;
      if (over.first > last) break;
      if (over.first > from) out.push({ first: from, last: over.first - 1n, value });
      if (over.last >= from) from = over.last + 1n;
      // One that reaches past this range covers the start of the next one too: it must be seen again.
      if (over.last > last) break;
      out.push(over);
    }
    if (from <= last) out.push({ first: from, last, value });
  }
  out.push(...upper.slice(at));
  return out;
}

/** Returns, for ranges of prefix form, the value of the longest prefix that holds each address; of equals, the first. */
export function mostSpecific<T>(
  entries: readonly { readonly cidr: Cidr; readonly value: T }[],
  family: Family,
): Segment<T>[] {
  const byLength = new Map<number, { ranges: IpRange[]; value: T }[]>();
  for (const { cidr, value } of entries) {
    if (cidr.family !== family) continue;
    const same = byLength.get(cidr.length) ?? [];
    const layer = same.find((candidate) => candidate.value === value);
    if (layer) layer.ranges.push(cidrRange(cidr));
    else same.push({ ranges: [cidrRange(cidr)], value });
    byLength.set(cidr.length, same);
  }
  const lengths = [...byLength.keys()].toSorted((a, b) => b - a);
  return layered(
    lengths.flatMap((length) => byLength.get(length) ?? []),
    family,
  );
}

/** Joins neighbours of the same value. */
function joined<T>(segments: readonly Segment<T>[]): Segment<T>[] {
  const out: { first: bigint; last: bigint; value: T }[] = [];
  for (const segment of segments) {
    const before = out.at(-1);
    if (before && before.last + 1n === segment.first && before.value === segment.value)
      before.last = segment.last;
    else out.push({ ...segment });
  }
  return out;
}

/** Returns the segment that holds the address, by bisection. */
export function segmentAt<T>(segments: readonly Segment<T>[], value: bigint): Segment<T> | undefined {
  let low = 0;
  let high = segments.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const segment = segments[middle] as Segment<T>;
    if (value < segment.first) high = middle - 1;
    else if (value > segment.last) low = middle + 1;
    else return segment;
  }
  return undefined;
}
