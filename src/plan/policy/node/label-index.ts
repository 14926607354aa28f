// Finds the things whose labels match a selector without trying them all.
import type { Labels } from "../../../api/selectors/selectors.ts";
import { type Selector, selects } from "../selector.ts";
import { getOrMake } from "./selector-index.ts";
import { SmallSet } from "./small-set.ts";

interface Labelled {
  readonly labels: Labels | undefined;
}

/**
 * Up to this many items are tried one by one, which takes some 10 us, and only where a selector comes into use. A cluster has
 * very many namespaces of a hundred pods, and an index of one takes as much as its pods.
 */
const WORTH_AN_INDEX = 256;

export class LabelIndex<T extends Labelled> {
  readonly #all = new SmallSet<T>();
  readonly #worthAnIndex: number;
  /** Made when it pays. */
  #byLabel: Map<string, Map<string, SmallSet<T>>> | undefined;

  /** @param worthAnIndex for tests */
  constructor(worthAnIndex = WORTH_AN_INDEX) {
    this.#worthAnIndex = worthAnIndex;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#all[Symbol.iterator]();
  }

  /** The item's labels must stay the same until it is removed. */
  add(item: T): void {
    this.#all.add(item);
    if (this.#byLabel !== undefined) this.#note(this.#byLabel, item);
    else if (this.#all.size > this.#worthAnIndex) {
      this.#byLabel = new Map();
      for (const one of this.#all) this.#note(this.#byLabel, one);
    }
  }

  remove(item: T): void {
    if (!this.#all.delete(item)) return;
    for (const key in item.labels) {
      const values = this.#byLabel?.get(key);
      const items = values?.get(item.labels[key] ?? "");
      items?.delete(item);
      if (items?.size === 0) values?.delete(item.labels[key] ?? "");
      if (values?.size === 0) this.#byLabel?.delete(key);
    }
  }

  /** Returns every item that the selector matches. */
  match(selector: Selector): T[] {
    const out: T[] = [];
    this.each(selector, (item) => out.push(item));
    return out;
  }

  /** Shows every item that the selector matches: a list of one or two takes room for seventeen. */
  each(selector: Selector, show: (item: T) => void): void {
    for (const items of this.#candidates(selector))
      for (const item of items) if (selects(selector, item.labels)) show(item);
  }

  #note(index: Map<string, Map<string, SmallSet<T>>>, item: T): void {
    for (const key in item.labels) {
      const values = getOrMake(index, key, () => new Map<string, SmallSet<T>>());
      getOrMake(values, item.labels[key] ?? "", () => new SmallSet<T>()).add(item);
    }
  }

  #candidates(selector: Selector): readonly Iterable<T>[] {
    if (this.#byLabel === undefined) return [this.#all];
    // The first demand is good enough: people write one or two labels.
    const equal = selector.requirements.find((one) => one.operator === "In");
    if (equal === undefined) return [this.#all];
    const values = this.#byLabel.get(equal.key);
    return values === undefined ? [] : [...equal.values].flatMap((value) => values.get(value) ?? []);
  }
}
