// A set that has few members nearly always. A large cluster has hundreds of thousands of them, one for each namespace, pod
// and selector: a list of one or two takes a third of what a Set takes, and is made in less time.

/** Below this many a list is searched as quickly as a Set. */
const FEW = 16;

const none: readonly never[] = [];

export class SmallSet<T> implements Iterable<T> {
  #items: T[] | Set<T> | undefined;

  get size(): number {
    const items = this.#items;
    if (items === undefined) return 0;
    return Array.isArray(items) ? items.length : items.size;
  }

  has(item: T): boolean {
    const items = this.#items;
    if (items === undefined) return false;
    return Array.isArray(items) ? items.includes(item) : items.has(item);
  }

  add(item: T): void {
    const items = this.#items;
    if (items === undefined) this.#items = [item];
    else if (!Array.isArray(items)) items.add(item);
    else if (items.includes(item)) return;
    // A list that grows takes room for sixteen more, also one written as `[...items, item]`; this one has just the room it needs.
    else if (items.length < FEW) this.#items = items.concat([item]);
    else this.#items = new Set(items).add(item);
  }

  /** Returns whether it was a member. Not for the one that stands at the moment in an iteration over this very set. */
  delete(item: T): boolean {
    const items = this.#items;
    if (items === undefined) return false;
    if (!Array.isArray(items)) return items.delete(item);
    const at = items.indexOf(item);
    if (at < 0) return false;
    if (items.length === 1) this.#items = undefined;
    else items.splice(at, 1);
    return true;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return (this.#items ?? (none as readonly T[])).values();
  }
}
