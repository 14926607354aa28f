// Large objects as this process has written or read them last: where the file has the very same text, nothing is parsed, and who
// compares the object with a newer one finds the parts that are the same by looking at them. A list of ten thousand addresses is
// a megabyte.
import { deepFreeze } from "../../api/equal.ts";

/** Characters; what is smaller is parsed faster than it is looked for. */
const LARGE = 32_768;
const MOST = 8;

interface Kept {
  readonly text: string;
  readonly crc: number;
  readonly object: object;
}

export class LargeObjects {
  /** The one that was used last comes last. */
  readonly #kept = new Map<string, Kept>();

  /** Keeps an object that is written as that text; it is frozen from here on. */
  keep(key: string, text: string, crc: number, object: object): void {
    this.#kept.delete(key);
    if (text.length < LARGE) return;
    this.#kept.set(key, { text, crc, object: deepFreeze(object) });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Returns the object that was kept with exactly that text and checksum; undefined: none. */
  find(key: string, text: string, crc: number): object | undefined {
    if (text.length < LARGE) return undefined;
    const kept = this.#kept.get(key);
    if (kept?.crc !== crc || kept.text !== text) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.object;
  }
}
