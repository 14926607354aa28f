// Finds the selectors that match a set of labels without trying them all: each selector waits under one label that it
// demands. Those that demand none (empty, NotIn, DoesNotExist) are tried every time.
import type { Labels } from "../../../api/selectors/selectors.ts";
import { type Selector, selects } from "../selector.ts";
import { SmallSet } from "./small-set.ts";

interface Selecting {
  readonly selector: Selector;
}

/** Below this many items trying them all is quicker, and a cluster has many namespaces with few policies. */
const worthAnIndex = 16;

interface Index<T> {
  readonly byValue: Map<string, Map<string, SmallSet<T>>>;
  readonly byKey: Map<string, SmallSet<T>>;
  readonly others: SmallSet<T>;
}

export class SelectorIndex<T extends Selecting> {
  readonly #all = new SmallSet<T>();
  /** Made when it pays. */
  #index: Index<T> | undefined;

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#all[Symbol.iterator]();
  }

  add(item: T): void {
    this.#all.add(item);
    if (this.#index !== undefined) {
      for (const bucket of buckets(this.#index, item)) bucket.add(item);
    } else if (this.#all.size > worthAnIndex) {
      this.#index = { byValue: new Map(), byKey: new Map(), others: new SmallSet() };
      for (const one of this.#all) for (const bucket of buckets(this.#index, one)) bucket.add(one);
    }
  }

  remove(item: T): void {
    if (!this.#all.delete(item) || this.#index === undefined) return;
    for (const bucket of buckets(this.#index, item)) bucket.delete(item);
    // Labels come and go for the life of a cluster: empty buckets must not stay.
    const equal = item.selector.requirements.find((one) => one.operator === "In");
    if (equal === undefined) return;
    const values = this.#index.byValue.get(equal.key);
    for (const value of equal.values) if (values?.get(value)?.size === 0) values.delete(value);
    if (values?.size === 0) this.#index.byValue.delete(equal.key);
  }

  /** Returns every item whose selector matches. */
  match(labels: Labels | undefined): T[] {
    const out: T[] = [];
    const take = (bucket: Iterable<T> | undefined): void => {
      if (bucket) for (const item of bucket) if (selects(item.selector, labels)) out.push(item);
    };
    if (this.#index === undefined) {
      take(this.#all);
      return out;
    }
    take(this.#index.others);
    for (const key in labels) {
      take(this.#index.byKey.get(key));
      take(this.#index.byValue.get(key)?.get(labels[key] ?? ""));
    }
    return out;
  }
}

function buckets<T extends Selecting>(index: Index<T>, item: T): SmallSet<T>[] {
  const { requirements } = item.selector;
  const equal = requirements.find((one) => one.operator === "In");
  if (equal !== undefined) {
    const values = getOrMake(index.byValue, equal.key, () => new Map<string, SmallSet<T>>());
    return [...equal.values].map((value) => getOrMake(values, value, () => new SmallSet<T>()));
  }
  const present = requirements.find((one) => one.operator === "Exists");
  if (present !== undefined) return [getOrMake(index.byKey, present.key, () => new SmallSet<T>())];
  return [index.others];
}

/** Returns the map's value for the key, made first where there is none. */
export function getOrMake<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = create();
  map.set(key, made);
  return made;
}
