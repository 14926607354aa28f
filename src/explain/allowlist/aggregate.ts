// The fewest ranges for a set of them. Neighbours that together are exactly a range are one; where there may be only so many,
// those are put together by which the fewest others get in: first of addresses that somebody has, then of all. Exact, by
// dynamic programming over the tree of prefixes, in time and space of entries times limit.
import { type Cidr, cidrCovers, cidrSize, formatCidr, type Ip, tryParseCidr } from "../../base/ip.ts";

/** What a range costs: others' addresses that somebody has, and all others. */
type Cost = readonly [known: number, all: number];

interface Branch {
  readonly range: Cidr;
  readonly parts: readonly [Branch, Branch] | undefined;
  /** Of taking the range as a whole. */
  readonly whole: Cost;
}

/** Counts the addresses of a range that somebody has who is not meant. */
export type CountOthers = (range: Cidr) => number;

/**
 * Returns ranges that hold all of the given ones, sorted.
 * @param most how many there may be; two families need two at least, whatever it says
 */
export function aggregate(
  ranges: readonly string[],
  most = Number.POSITIVE_INFINITY,
  others: CountOthers = () => 0,
): string[] {
  return aggregated(
    ranges.flatMap((text) => tryParseCidr(text) ?? []),
    most,
    others,
  ).map(formatCidr);
}

/**
 * The same of ranges that are parsed; those that are not put together with others are the very objects.
 */
export function aggregated<T extends Cidr>(
  ranges: readonly T[],
  most: number,
  others: CountOthers,
): readonly (T | Cidr)[] {
  const exact = united(ranges);
  if (exact.length <= most) return exact;
  const trees = ([4, 6] as const)
    .map((family) => exact.filter((one) => one.family === family))
    .filter((list) => list.length > 0)
    .map((list) => treeOf(list, others));
  return shared(trees, Math.max(most, trees.length));
}

/** Returns sorted ranges of which none lies in another and no two are halves of one. */
export function united<T extends Cidr>(ranges: readonly T[]): (T | Cidr)[] {
  const out: (T | Cidr)[] = [];
  for (const range of ranges.toSorted(compareCidrs)) {
    const last = out.at(-1);
    if (last && cidrCovers(last, range)) continue;
    out.push(range);
    for (let joined = joinedOf(out.at(-2), out.at(-1)); joined; joined = joinedOf(out.at(-2), out.at(-1))) {
      out.length -= 2;
      out.push(joined);
    }
  }
  return out;
}

/** Returns the range that two neighbours are halves of: their first addresses differ in the one bit that ends their prefix. */
export function joinedOf(a: Cidr | undefined, b: Cidr | undefined): Cidr | undefined {
  if (a?.length !== b?.length || a?.family !== b?.family || !a || !b || a.length === 0) return undefined;
  if ((a.base ^ b.base) !== cidrSize(a)) return undefined;
  return { family: a.family, base: a.base, length: a.length - 1 };
}

export function compareCidrs(a: Cidr, b: Cidr): number {
  return a.family - b.family || (a.base < b.base ? -1 : a.base > b.base ? 1 : a.length - b.length);
}

/** @param list sorted, of one family, none in another */
function treeOf(list: readonly Cidr[], others: CountOthers): Branch {
  // Sizes as numbers: IPv6 ranges are larger than they can tell exactly, and then nearly right is enough to choose by.
  const build = (from: number, to: number): { branch: Branch; covered: number } => {
    const first = list[from]!;
    if (to - from === 1)
      return { branch: { range: first, parts: undefined, whole: [0, 0] }, covered: Number(cidrSize(first)) };
    const range = commonPrefix(first, list[to - 1]!);
    const middle = range.base + cidrSize(range) / 2n;
    let split = from + 1;
    for (let high = to - 1; split < high; ) {
      const at = (split + high) >> 1;
      if (list[at]!.base < middle) split = at + 1;
      else high = at;
    }
    const [left, right] = [build(from, split), build(split, to)];
    const covered = left.covered + right.covered;
    const whole: Cost = [others(range), Number(cidrSize(range)) - covered];
    return { branch: { range, parts: [left.branch, right.branch], whole }, covered };
  };
  return build(0, list.length).branch;
}

function commonPrefix(a: Cidr, b: Cidr): Cidr {
  const bits = a.family === 4 ? 32 : 128;
  const differing = (a.base ^ b.base).toString(2).length;
  const length = Math.min(a.length, b.length, bits - differing);
  const host = BigInt(bits - length);
  return { family: a.family, length, base: (a.base >> host) << host };
}

/** For 1, 2, … ranges at most: the least cost, and how many of them the left part has (0: the branch is taken whole). */
interface Table {
  readonly costs: readonly Cost[];
  readonly left: readonly number[];
  readonly of: readonly [Table, Table] | undefined;
}

function tableOf({ parts, whole }: Branch, most: number): Table {
  if (!parts) return { costs: [[0, 0]], left: [0], of: undefined };
  const of = [tableOf(parts[0], most), tableOf(parts[1], most)] as const;
  const { costs, left } = combined(of, most);
  if (costs[0] === undefined || isLess(whole, costs[0])) {
    costs[0] = whole;
    left[0] = 0;
  }
  return { costs, left, of };
}

/** One range for two parts is never possible here: that is the whole, which whoever asks knows the cost of. */
function combined([a, b]: readonly [Table, Table], most: number): { costs: Cost[]; left: number[] } {
  const size = Math.min(most, a.costs.length + b.costs.length);
  const costs: Cost[] = [[Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]];
  const left: number[] = [0];
  for (let count = 2; count <= size; count++) {
    let best: Cost | undefined;
    let share = 0;
    const [low, high] = [Math.max(1, count - b.costs.length), Math.min(count - 1, a.costs.length)];
    for (let mine = low; mine <= high; mine++) {
      const [x, y] = [a.costs[mine - 1]!, b.costs[count - mine - 1]!];
      const sum: Cost = [x[0] + y[0], x[1] + y[1]];
      if (best === undefined || isLess(sum, best)) {
        best = sum;
        share = mine;
      }
    }
    costs.push(best!);
    left.push(share);
  }
  return { costs, left };
}

function isLess(a: Cost, b: Cost): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

function shared(trees: readonly Branch[], most: number): Cidr[] {
  const tables = trees.map((tree) => tableOf(tree, most));
  const [only, second] = tables;
  if (!only) return [];
  if (!second) return taken(trees[0]!, only, most);
  const { left, costs } = combined([only, second], most);
  const share = left[costs.length - 1]!;
  return [...taken(trees[0]!, only, share), ...taken(trees[1]!, second, costs.length - share)];
}

function taken(branch: Branch, table: Table, most: number): Cidr[] {
  const count = Math.min(most, table.costs.length);
  const share = table.left[count - 1]!;
  if (share === 0 || !branch.parts || !table.of) return [branch.range];
  return [
    ...taken(branch.parts[0], table.of[0], share),
    ...taken(branch.parts[1], table.of[1], count - share),
  ];
}

/** Returns how to count those of some addresses that lie in a range, quickly and often. */
export function counterOf(addresses: Iterable<Ip>): (range: Cidr) => number {
  const sorted = [4, 6].map((family) =>
    [...addresses]
      .filter((ip) => ip.family === family)
      .map(({ value }) => value)
      .toSorted((a, b) => (a < b ? -1 : 1)),
  );
  return (range) => {
    const list = sorted[range.family === 4 ? 0 : 1]!;
    return below(list, range.base + cidrSize(range)) - below(list, range.base);
  };
}

/** Returns how many of a sorted list are smaller. */
function below(list: readonly bigint[], limit: bigint): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const at = (low + high) >> 1;
    if (list[at]! < limit) low = at + 1;
    else high = at;
  }
  return low;
}
