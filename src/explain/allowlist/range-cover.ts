// A sorted set of ranges and what they are together, kept from change to change: one range more or less costs a look-up and the move of
// what lies behind it, and not a walk along all. The same as united() says of all of them.
import { type Cidr, cidrCovers, cidrRange, formatCidr } from "../../base/ip.ts";
import { compareCidrs, joinedOf, united } from "./aggregate.ts";

/** A range and how it is written. */
export interface Ranged extends Cidr {
  readonly range: string;
}

export class RangeCover<T extends Ranged> {
  readonly #all: T[];
  readonly #united: Ranged[];
  readonly #texts: string[];

  constructor(ranges: Iterable<T> = []) {
    this.#all = [...ranges].toSorted(compareCidrs);
    this.#united = united(this.#all).map(withText);
    this.#texts = this.#united.map(({ range }) => range);
  }

  /** All of them, sorted. */
  get all(): readonly T[] {
    return this.#all;
  }

  /** The fewest ranges that are exactly these, sorted, as they are written; who keeps them copies them. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  /** Returns where one of them is in `all`. */
  indexOf(one: T): number {
    // Of an old object two may be one range, written in two ways.
    return this.#all.indexOf(one, firstFrom(this.#all, one));
  }

  /** Takes one in that is not there; returns where it is now. */
  add(one: T): number {
    const at = firstFrom(this.#all, one);
    this.#all.splice(at, 0, one);
    const from = firstFrom(this.#united, one);
    const before = this.#united[from - 1];
    if (before && cidrCovers(before, one)) return at;
    let to = from;
    while (to < this.#united.length && cidrCovers(one, this.#united[to]!)) to++;
    this.#put(from, to - from, [one]);
    this.#join(from);
    return at;
  }

  /** Takes one of them out; returns where it was. */
  remove(one: T): number {
    const at = this.indexOf(one);
    this.#all.splice(at, 1);
    // What it lay in is made anew of what lies in that still; nothing of it can be one with what is outside.
    const found = firstFrom(this.#united, one);
    const place = this.#united[found] && cidrCovers(this.#united[found], one) ? found : found - 1;
    const whole = this.#united[place]!;
    const from = firstFrom(this.#all, whole);
    let to = from;
    const { last } = cidrRange(whole);
    while (to < this.#all.length && this.#all[to]!.family === whole.family && this.#all[to]!.base <= last)
      to++;
    this.#put(place, 1, united(this.#all.slice(from, to)).map(withText));
    return at;
  }

  /** Joins a range with its other half, and what comes of that with its own. */
  #join(at: number): void {
    const [before, one, after] = [this.#united[at - 1], this.#united[at], this.#united[at + 1]];
    const [left, right] = [joinedOf(before, one), joinedOf(one, after)];
    const joined = left ?? right;
    if (!joined) return;
    const from = left ? at - 1 : at;
    this.#put(from, 2, [withText(joined)]);
    this.#join(from);
  }

  #put(from: number, count: number, ranges: readonly Ranged[]): void {
    this.#united.splice(from, count, ...ranges);
    this.#texts.splice(from, count, ...ranges.map(({ range }) => range));
  }
}

function withText(one: Cidr | Ranged): Ranged {
  return "range" in one ? one : { ...one, range: formatCidr(one) };
}

/** Returns where the first is that is not before that one. */
function firstFrom(sorted: readonly Cidr[], one: Cidr): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const at = (low + high) >> 1;
    if (compareCidrs(sorted[at]!, one) < 0) low = at + 1;
    else high = at;
  }
  return low;
}
