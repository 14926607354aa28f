// Many ranges of addresses, each with the ports it may use, as ranges that do not overlap.
import type { Family, Ip } from "../../base/ip.ts";
import { type PortSet, unionPorts } from "./port-set.ts";
import { PackedRanges, type RangeList } from "./ranges.ts";

/** What is said of a range. Tens of thousands of them share it. */
export interface BlockKind {
  readonly ports: PortSet;
  /** The rules that name it, sorted: what they let through is counted apart. */
  readonly rules: readonly string[];
}

export interface BlockSource extends BlockKind {
  readonly ranges: RangeList;
}

/** Ranges of one family without overlap, in ascending order; of IPv4 all lists are typed arrays. */
export interface FamilyBlocks {
  readonly family: Family;
  readonly firsts: ArrayLike<number | bigint>;
  readonly lasts: ArrayLike<number | bigint>;
  /** Which of `kinds` each is of. */
  readonly kindOf: ArrayLike<number>;
  readonly kinds: readonly BlockKind[];
}

export type Blocks = Readonly<Record<Family, FamilyBlocks>>;

/**
 * Returns the same as ranges without overlap, in ascending order; where several cover an address, it has the union of their
 * ports. Neighbours of the same rules with equal ports are one range.
 */
export function disjoint(sources: readonly BlockSource[]): Blocks {
  return { 4: disjoint4(sources), 6: disjoint6(sources) };
}

/** Returns what is said of an address; undefined: no range holds it. */
export function kindAt(blocks: Blocks, { family, value }: Ip): BlockKind | undefined {
  const { firsts, lasts, kindOf, kinds } = blocks[family];
  const wanted = family === 4 ? Number(value) : value;
  let low = 0;
  let high = firsts.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (wanted < firsts[middle]!) high = middle - 1;
    else if (wanted <= lasts[middle]!) return kinds[kindOf[middle]!];
    else low = middle + 1;
  }
  return undefined;
}

/** Ranges as they are written, with the number of what is said of each. */
interface Written<N extends number | bigint> {
  readonly firsts: ArrayLike<N>;
  readonly lasts: ArrayLike<N>;
  readonly kindOf: ArrayLike<number>;
  /** Their numbers in ascending order of either end. */
  readonly byFirst: ArrayLike<number>;
  readonly byLast: ArrayLike<number>;
}

function disjoint4(sources: readonly BlockSource[]): FamilyBlocks {
  const kinds = new Kinds();
  const count = sources.reduce((sum, { ranges }) => sum + ranges.length, 0);
  const [firsts, lasts, kindOf] = [new Uint32Array(count), new Uint32Array(count), new Uint32Array(count)];
  let size = 0;
  for (const source of sources) {
    const kind = kinds.number(source);
    const put = (first: number, last: number) => {
      firsts[size] = first;
      lasts[size] = last;
      kindOf[size++] = kind;
    };
    const { ranges } = source;
    if (ranges instanceof PackedRanges)
      for (let at = 0; at < ranges.ends.length; at += 2) put(ranges.ends[at]!, ranges.ends[at + 1]!);
    else for (const { family, first, last } of ranges) if (family === 4) put(Number(first), Number(last));
  }
  const written: Written<number> = {
    firsts: firsts.subarray(0, size),
    lasts: lasts.subarray(0, size),
    kindOf,
    byFirst: inOrder4(firsts.subarray(0, size)),
    byLast: inOrder4(lasts.subarray(0, size)),
  };
  // Of n ranges there are no more than 2n ends, and a range between any two.
  const out = [new Uint32Array(2 * size), new Uint32Array(2 * size), new Uint32Array(2 * size)] as const;
  const made = sweep(written, out, kinds, {
    next: (value) => value + 1,
    previous: (value) => value - 1,
  });
  const [outFirsts, outLasts, outKinds] = out.map((list) => list.slice(0, made));
  return { family: 4, firsts: outFirsts!, lasts: outLasts!, kindOf: outKinds!, kinds: kinds.all };
}

function disjoint6(sources: readonly BlockSource[]): FamilyBlocks {
  const kinds = new Kinds();
  const [firsts, lasts, kindOf]: [bigint[], bigint[], number[]] = [[], [], []];
  for (const source of sources) {
    if (source.ranges instanceof PackedRanges) continue;
    for (const { family, first, last } of source.ranges) {
      if (family !== 6) continue;
      firsts.push(first);
      lasts.push(last);
      kindOf.push(kinds.number(source));
    }
  }
  const written = { firsts, lasts, kindOf, byFirst: inOrder6(firsts), byLast: inOrder6(lasts) };
  const out: [bigint[], bigint[], number[]] = [[], [], []];
  sweep(written, out, kinds, { next: (value) => value + 1n, previous: (value) => value - 1n });
  return { family: 6, firsts: out[0], lasts: out[1], kindOf: out[2], kinds: kinds.all };
}

/** Two numbers in one, which sort without anybody's comparing them: 32 bits of address, 21 of place. */
const PLACES = 2 ** 21;

/** Returns the places of values in their ascending order. */
function inOrder4(values: Uint32Array): Uint32Array {
  // By plain loops: a call for each of so many takes longer than all else.
  const order = new Uint32Array(values.length);
  const both = new Float64Array(values.length);
  let isSorted = true;
  for (let at = 0; at < values.length; at++) {
    order[at] = at;
    both[at] = values[at]! * PLACES + at;
    if (at > 0 && values[at - 1]! > values[at]!) isSorted = false;
  }
  if (isSorted) return order;
  if (values.length > PLACES) return order.sort((a, b) => values[a]! - values[b]!);
  both.sort();
  for (let at = 0; at < order.length; at++) order[at] = both[at]! % PLACES;
  return order;
}

function inOrder6(values: readonly bigint[]): number[] {
  const compare = (a: number, b: number) => (values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : 0);
  return [...values.keys()].sort(compare);
}

interface Writable<T> {
  [at: number]: T;
}

/** What is said of ranges, each once; and what those say together that are open at a place of the sweep. */
class Kinds {
  readonly all: BlockKind[] = [];
  readonly #numbers = new Map<string, number>();
  /** Of those that are open, how many ranges are. */
  readonly #open = new Map<number, number>();
  readonly #together = new Map<string, number>();
  #now: number | undefined;
  #isNow = true;

  number({ ports, rules }: BlockKind): number {
    const key = `${ports.key} ${rules.join()}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.all.length);
    return this.all.push({ ports, rules }) - 1;
  }

  begin(kind: number): void {
    const count = this.#open.get(kind) ?? 0;
    this.#open.set(kind, count + 1);
    if (count === 0) this.#isNow = false;
  }

  end(kind: number): void {
    const count = this.#open.get(kind) ?? 0;
    if (count > 1) this.#open.set(kind, count - 1);
    else {
      this.#open.delete(kind);
      this.#isNow = false;
    }
  }

  /** The number of all that are open together; undefined: none is. */
  get open(): number | undefined {
    if (this.#isNow) return this.#now;
    this.#isNow = true;
    const [first] = this.#open.keys();
    this.#now = this.#open.size < 2 ? first : this.#union();
    return this.#now;
  }

  #union(): number {
    const open = [...this.#open.keys()].sort((a, b) => a - b);
    const key = open.join();
    const known = this.#together.get(key);
    if (known !== undefined) return known;
    const kinds = open.map((kind) => this.all[kind]!);
    const made = this.number({
      ports: unionPorts(kinds.map(({ ports }) => ports)),
      rules: [...new Set(kinds.flatMap(({ rules }) => rules))].toSorted(),
    });
    this.#together.set(key, made);
    return made;
  }
}

/**
 * Goes over the ends of all ranges from the lowest, and writes what lies between two of them into `out`.
 * @returns how many ranges were written
 */
function sweep<N extends number | bigint>(
  { firsts, lasts, kindOf, byFirst, byLast }: Written<N>,
  [outFirsts, outLasts, outKinds]: readonly [Writable<N>, Writable<N>, Writable<number>],
  kinds: Kinds,
  { next, previous }: { readonly next: (value: N) => N; readonly previous: (value: N) => N },
): number {
  let size = 0;
  let from = firsts[byFirst[0] ?? 0]!;
  const upTo = (last: N) => {
    const kind = kinds.open;
    if (kind === undefined) return;
    if (size > 0 && next(outLasts[size - 1]!) === from && outKinds[size - 1] === kind) {
      outLasts[size - 1] = last;
      return;
    }
    outFirsts[size] = from;
    outLasts[size] = last;
    outKinds[size++] = kind;
  };
  // Those that begin at an address are opened together, and so are those closed that end at one.
  for (let [opened, closed] = [0, 0]; closed < byLast.length; ) {
    const opening = byFirst[opened];
    const closing = byLast[closed]!;
    if (opening !== undefined && firsts[opening]! <= lasts[closing]!) {
      const first = firsts[opening]!;
      if (from < first) upTo(previous(first));
      from = first;
      for (; opened < byFirst.length && firsts[byFirst[opened]!] === first; opened++)
        kinds.begin(kindOf[byFirst[opened]!]!);
    } else {
      const last = lasts[closing]!;
      upTo(last);
      from = next(last);
      for (; closed < byLast.length && lasts[byLast[closed]!] === last; closed++)
        kinds.end(kindOf[byLast[closed]!]!);
    }
  }
  return size;
}
