// JSON (RFC 8259) with the place of every value, for texts that people write into ConfigMaps. Stricter than JSON.parse in
// one thing: a key may stand only once, as the other one's value would vanish in silence.
import type { Path } from "./problem.ts";

/** Counts from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

export interface JsonText {
  readonly value: unknown;
  /** Returns where a value is written; for a member of an object that is where its key begins. Undefined if it is not there. */
  at(path: Path): TextPlace | undefined;
}

export type JsonReading = JsonText | (TextPlace & { readonly why: string });

/** Deeper texts are nobody's configuration. */
const deepest = 100;

/** Reads a text; what is wrong with it is in the answer. */
export function readJsonText(text: string): JsonReading {
  const reader = new Reader(text);
  try {
    const value = reader.whole();
    return {
      value,
      at: (path) => {
        const offset = reader.places.get(keyOf(path));
        return offset === undefined ? undefined : placeOf(text, offset);
      },
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { why: error.message, ...placeOf(text, error.offset) };
  }
}

class Refusal extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const keyOf = (path: Path): string => JSON.stringify(path);

function placeOf(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

class Reader {
  /** By path, as JSON. */
  readonly places = new Map<string, number>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const value = this.#value([]);
    this.#skip();
    if (this.#at < this.#text.length) throw this.#refuse("nothing may stand behind the value");
    return value;
  }

  #value(path: Path): unknown {
    this.#skip();
    if (path.length > deepest) throw this.#refuse("it is nested too deep");
    const key = keyOf(path);
    if (!this.places.has(key)) this.places.set(key, this.#at);
    const first = this.#text[this.#at];
    if (first === "{") return this.#object(path);
    if (first === "[") return this.#array(path);
    if (first === '"') return this.#string();
    return this.#word();
  }

  #object(path: Path): Record<string, unknown> {
    const members = new Map<string, unknown>();
    this.#at++;
    if (this.#take("}")) return {};
    do {
      this.#skip();
      const start = this.#at;
      if (this.#text[start] !== '"') throw this.#refuse("a key in double quotes is expected here");
      const key = this.#string();
      if (members.has(key)) throw new Refusal(`the key "${key}" stands here for the second time`, start);
      this.places.set(keyOf([...path, key]), start);
      if (!this.#take(":")) throw this.#refuse("':' is expected here");
      members.set(key, this.#value([...path, key]));
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#refuse("',' or '}' is expected here");
    return Object.fromEntries(members);
  }

  #array(path: Path): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    if (this.#take("]")) return items;
    do items.push(this.#value([...path, items.length]));
    while (this.#take(","));
    if (!this.#take("]")) throw this.#refuse("',' or ']' is expected here");
    return items;
  }

  #string(): string {
    const found = /"(?:[^"\\]|\\.)*"/sy;
    found.lastIndex = this.#at;
    const text = found.exec(this.#text)?.[0];
    if (text === undefined) throw this.#refuse("this text is not closed by '\"'");
    const value = this.#plain(text, "this text has a character or an escape that JSON does not know");
    this.#at += text.length;
    return value as string;
  }

  #word(): unknown {
    const found = /[^\s,\]}:]+/y;
    found.lastIndex = this.#at;
    const text = found.exec(this.#text)?.[0];
    if (text === undefined) {
      throw this.#refuse(
        this.#at < this.#text.length ? "a value is expected here" : "the text ends too early",
      );
    }
    const value = this.#plain(text, `'${text.slice(0, 30)}' is no value`);
    this.#at += text.length;
    return value;
  }

  #plain(text: string, why: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      // JSON.parse throws nothing but SyntaxError.
      throw this.#refuse(why);
    }
  }

  #take(mark: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #skip(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #refuse(why: string): Refusal {
    return new Refusal(why, this.#at);
  }
}
