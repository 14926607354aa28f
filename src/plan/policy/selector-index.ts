// Finds the selectors that match a set of labels without trying them all: each selector waits under one label that it
// demands. Those that demand none (empty, NotIn, DoesNotExist) are tried every time.
import type { Labels } from "../../api/selectors.ts";
import { type Selector, selects } from "./selector.ts";

interface Selecting {
  readonly selector: Selector;
}

export class SelectorIndex<T extends Selecting> {
  readonly #byValue = new Map<string, Map<string, Set<T>>>();
  readonly #byKey = new Map<string, Set<T>>();
  readonly #others = new Set<T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    for (const bucket of this.#buckets(item)) bucket.add(item);
    this.#size++;
  }

  remove(item: T): void {
    for (const bucket of this.#buckets(item)) bucket.delete(item);
    this.#size--;
    const key = item.selector.requirements.find((one) => one.operator === "In")?.key;
    if (key === undefined) return;
    // Labels come and go for the life of a cluster: empty buckets must not stay.
    const values = this.#byValue.get(key);
    for (const [value, bucket] of values ?? []) if (bucket.size === 0) values?.delete(value);
    if (values?.size === 0) this.#byValue.delete(key);
  }

  /** Returns every item whose selector matches. */
  match(labels: Labels | undefined): T[] {
    const out: T[] = [];
    const take = (bucket: ReadonlySet<T> | undefined): void => {
      if (bucket) for (const item of bucket) if (selects(item.selector, labels)) out.push(item);
    };
    take(this.#others);
    if (this.#byKey.size === 0 && this.#byValue.size === 0) return out;
    for (const key in labels) {
      take(this.#byKey.get(key));
      const value = labels[key];
      if (value !== undefined) take(this.#byValue.get(key)?.get(value));
    }
    return out;
  }

  #buckets(item: T): Set<T>[] {
    const { requirements } = item.selector;
    const equal = requirements.find((one) => one.operator === "In");
    if (equal !== undefined) {
      const values = getOrMake(this.#byValue, equal.key, () => new Map<string, Set<T>>());
      return [...equal.values].map((value) => getOrMake(values, value, () => new Set<T>()));
    }
    const present = requirements.find((one) => one.operator === "Exists");
    if (present !== undefined) return [getOrMake(this.#byKey, present.key, () => new Set<T>())];
    return [this.#others];
  }
}

/** Returns the map's value for the key, made first where there is none. */
export function getOrMake<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = create();
  map.set(key, made);
  return made;
}
