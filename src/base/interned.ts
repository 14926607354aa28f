// Values that objects of a large cluster have in common: the same few selectors, ports and labels stand in tens of thousands
// of them. They are immutable, so one object serves all; whether two are one object or only equal makes no difference.

/** More than this many different ones are not shared any more, so that what nobody uses is not kept for ever. */
const MOST = 20_000;

export class Interned<K, V> {
  #known = new Map<K, V>();

  /** Returns the value of that key; undefined where it is not known. */
  find(key: K): V | undefined {
    return this.#known.get(key);
  }

  /** Returns the value of that key, made where it is not known. */
  get(key: K, make: () => V): V {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    // Begun anew: those in use stay with their users.
    if (this.#known.size >= MOST) this.#known = new Map();
    this.#known.set(key, made);
    return made;
  }
}
