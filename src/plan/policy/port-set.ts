// Sets of protocols and ports, as policy rules allow them. Immutable and canonical: equal sets have equal keys.
import type { Protocol } from "../../api/kinds/core.ts";
import { Interned } from "../../base/interned.ts";

export const protocols = ["TCP", "UDP", "SCTP"] as const satisfies readonly Protocol[];

/** Both ends belong to the range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortSet {
  /** Equal for equal sets; safe in names of kernel objects after hashing. */
  readonly key: string;
  /** Every other protocol (ICMP and all that has no ports). Only rules without ports allow it. */
  readonly other: boolean;
  /** Sorted, without overlaps and without neighbours that touch. */
  readonly ranges: Readonly<Record<Protocol, readonly PortRange[]>>;
}

const known = new Interned<string, PortSet>();
const knownRanges = new Interned<number, PortSet>();
const knownUnions = new Interned<string, PortSet>();

const everyPort: readonly PortRange[] = [{ first: 0, last: 65_535 }];

export const noPorts: PortSet = make(false, { TCP: [], UDP: [], SCTP: [] });
export const allPorts: PortSet = make(true, { TCP: everyPort, UDP: everyPort, SCTP: everyPort });

/** Returns the set of one protocol's ports `first` to `last`. */
export function portRange(protocol: Protocol, first: number, last: number): PortSet {
  const key = (protocols.indexOf(protocol) * 65_536 + first) * 65_536 + last;
  return knownRanges.get(key, () => make(false, { ...noPorts.ranges, [protocol]: [{ first, last }] }));
}

/** Returns the set of every port of one protocol. */
export function protocolPorts(protocol: Protocol): PortSet {
  return make(false, { ...noPorts.ranges, [protocol]: everyPort });
}

export function unionPorts(sets: readonly PortSet[]): PortSet {
  if (sets.length === 1) return sets[0] ?? noPorts;
  const parts = sets.filter((set) => !isEmpty(set));
  const [first = noPorts, ...rest] = parts;
  if (rest.every((set) => set.key === first.key)) return first;
  // No key holds a `|`.
  return knownUnions.get(parts.map(({ key }) => key).join("|"), () => union(parts));
}

function union(parts: readonly PortSet[]): PortSet {
  const ranges: Record<Protocol, readonly PortRange[]> = { TCP: [], UDP: [], SCTP: [] };
  for (const protocol of protocols) ranges[protocol] = merged(parts.flatMap((part) => part.ranges[protocol]));
  return make(
    parts.some((part) => part.other),
    ranges,
  );
}

export function intersectPorts(a: PortSet, b: PortSet): PortSet {
  return combine([a, b], (inside) => inside.every(Boolean));
}

/** Returns what is in `a` and not in `b`. */
export function subtractPorts(a: PortSet, b: PortSet): PortSet {
  return combine([a, b], ([inA, inB]) => inA === true && inB !== true);
}

export function isEmpty(set: PortSet): boolean {
  return set.key === noPorts.key;
}

/** Returns whether the set holds the port; a protocol that has no ports is given by its name or number alone. */
export function hasPort(set: PortSet, protocol: string, port: number | undefined): boolean {
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") return set.other;
  if (port === undefined)
    return set.ranges[protocol][0]?.last === 65_535 && set.ranges[protocol][0].first === 0;
  return set.ranges[protocol].some((range) => range.first <= port && port <= range.last);
}

function merged(ranges: PortRange[]): readonly PortRange[] {
  if (ranges.length < 2) return ranges;
  const out: { first: number; last: number }[] = [];
  for (const { first, last } of ranges.sort((a, b) => a.first - b.first)) {
    const previous = out.at(-1);
    if (previous === undefined || previous.last + 1 < first) out.push({ first, last });
    else if (previous.last < last) previous.last = last;
  }
  return out;
}

/** Sweeps over all boundaries and keeps the pieces for which `keep` says so, given who covers the piece. */
function combine(sets: readonly PortSet[], keep: (inside: readonly boolean[]) => boolean): PortSet {
  const ranges: Record<Protocol, PortRange[]> = { TCP: [], UDP: [], SCTP: [] };
  for (const protocol of protocols) {
    const all = sets.map((set) => set.ranges[protocol]);
    const starts = new Set<number>();
    for (const range of all.flat()) starts.add(range.first).add(range.last + 1);
    const cuts = [...starts].toSorted((a, b) => a - b);
    const out = ranges[protocol];
    for (const [at, first] of cuts.entries()) {
      const next = cuts[at + 1];
      if (next === undefined) break;
      const inside = all.map((list) => list.some((range) => range.first <= first && first <= range.last));
      if (!keep(inside)) continue;
      const previous = out.at(-1);
      if (previous !== undefined && previous.last === first - 1)
        out[out.length - 1] = { first: previous.first, last: next - 1 };
      else out.push({ first, last: next - 1 });
    }
  }
  return make(keep(sets.map((set) => set.other)), ranges);
}

function make(other: boolean, ranges: Record<Protocol, readonly PortRange[]>): PortSet {
  const texts = protocols
    .filter((protocol) => ranges[protocol].length > 0)
    .map((protocol) => `${protocol}:${ranges[protocol].map(rangeText).join(",")}`);
  if (other) texts.push("*");
  const key = texts.join(";");
  return known.get(key, () => ({ key, other, ranges }));
}

/** Returns `80` or `80-90`. */
export function rangeText(range: PortRange): string {
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
}
