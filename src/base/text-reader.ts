// Reads a short text of a small language from left to right: what parsers of selectors and templates are made of.
import type { TrunklineError } from "./errors.ts";

export class TextReader {
  readonly #text: string;
  readonly #refuse: (place: { text: string; column: number; why: string }) => TrunklineError;
  #at = 0;

  /** `refuse` makes the error for a text that is wrong at a column (from 1). */
  constructor(
    text: string,
    refuse: (place: { text: string; column: number; why: string }) => TrunklineError,
  ) {
    this.#text = text;
    this.#refuse = refuse;
  }

  fail(why: string): never {
    throw this.#refuse({ text: this.#text, column: this.#at + 1, why });
  }

  atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Returns what matches here without passing it; the pattern is a sticky one (flag y). */
  next(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  /** Returns what matches here, and passes it. */
  match(pattern: RegExp): string | undefined {
    const found = this.next(pattern);
    this.#at += found?.length ?? 0;
    return found;
  }

  /** Passes what must stand here. */
  expect(mark: string): void {
    if (!this.#text.startsWith(mark, this.#at)) this.fail(`'${mark}' was expected here`);
    this.#at += mark.length;
  }
}
