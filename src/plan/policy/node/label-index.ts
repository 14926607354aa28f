// Finds the things whose labels match a selector without trying them all.
import type { Labels } from "../../../api/selectors/selectors.ts";
import { type Selector, selects } from "../selector.ts";
import { getOrMake } from "./selector-index.ts";

interface Labelled {
  readonly labels: Labels | undefined;
}

/** Below this many items trying them all is quicker, and a cluster has many small namespaces. */
const worthAnIndex = 24;

const noItems: ReadonlySet<never> = new Set<never>();

export class LabelIndex<T extends Labelled> {
  #all: Set<T> | undefined;
  /** Made when it pays. */
  #byLabel: Map<string, Map<string, Set<T>>> | undefined;

  get size(): number {
    return this.#all?.size ?? 0;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return (this.#all ?? noItems)[Symbol.iterator]() as IterableIterator<T>;
  }

  /** The item's labels must stay the same until it is removed. */
  add(item: T): void {
    this.#all ??= new Set();
    this.#all.add(item);
    if (this.#byLabel !== undefined) this.#note(this.#byLabel, item);
    else if (this.#all.size > worthAnIndex) {
      this.#byLabel = new Map();
      for (const one of this.#all) this.#note(this.#byLabel, one);
    }
  }

  remove(item: T): void {
    if (this.#all?.delete(item) !== true) return;
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
    for (const items of this.#candidates(selector))
      for (const item of items) if (selects(selector, item.labels)) out.push(item);
    return out;
  }

  #note(index: Map<string, Map<string, Set<T>>>, item: T): void {
    for (const key in item.labels) {
      const values = getOrMake(index, key, () => new Map<string, Set<T>>());
      getOrMake(values, item.labels[key] ?? "", () => new Set<T>()).add(item);
    }
  }

  #candidates(selector: Selector): readonly ReadonlySet<T>[] {
    // The first demand is good enough: people write one or two labels.
    const equal = selector.requirements.find((one) => one.operator === "In");
    if (equal === undefined || this.#byLabel === undefined)
      return [this.#all ?? noItems] as readonly ReadonlySet<T>[];
    const values = this.#byLabel.get(equal.key);
    return values === undefined ? [] : [...equal.values].flatMap((value) => values.get(value) ?? []);
  }
}
