// Calico's selector language, as its pools use it over nodes' labels:
//   all()  has(k)  k == 'v'  k != 'v'  k in {'a', 'b'}  k not in {'a'}  k contains 'x'  k starts with 'x'
//   k ends with 'x'  !a  a && b  a || b  (a)
// Where a label is absent, != and "not in" are true, all other comparisons false.
import { TrunklineError } from "../../base/errors.ts";
import { type Labels, labelOf } from "./selectors.ts";

export type LabelTest = (labels: Labels | undefined) => boolean;

interface Token {
  readonly type: "name" | "string" | "mark" | "end";
  readonly text: string;
  readonly column: number;
}

/**
 * Returns the test that the selector stands for; empty text selects everything.
 * @throws TrunklineError `api.selector`
 */
export function calicoSelector(text: string): LabelTest {
  if (text.trim() === "") return () => true;
  const parser = new Parser(text);
  const test = parser.either();
  parser.expect("end", "");
  return test;
}

const tokenPattern = /\s*(?:([A-Za-z0-9_][\w./-]*)|'([^']*)'|"([^"]*)"|(&&|\|\||==|!=|[!(){},]))/y;

function tokensOf(text: string): Token[] {
  const out: Token[] = [];
  tokenPattern.lastIndex = 0;
  let at = 0;
  while (text.slice(at).trim() !== "") {
    tokenPattern.lastIndex = at;
    const found = tokenPattern.exec(text);
    const start = at + /^\s*/.exec(text.slice(at))![0].length;
    const column = start + 1;
    if (!found)
      throw new TrunklineError("api.selector", { text, column, why: whyNoToken(text.slice(start)) });
    const [, name, single, double, mark] = found;
    const quoted = single ?? double;
    if (name !== undefined) out.push({ type: "name", text: name, column });
    else if (quoted !== undefined) out.push({ type: "string", text: quoted, column });
    else out.push({ type: "mark", text: mark ?? "", column });
    at = tokenPattern.lastIndex;
  }
  out.push({ type: "end", text: "", column: text.length + 1 });
  return out;
}

function whyNoToken(rest: string): string {
  return /^['"]/.test(rest) ? "the closing quote is missing" : `'${rest[0]}' means nothing here`;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  either(): LabelTest {
    const parts = [this.#both()];
    while (this.#take("mark", "||")) parts.push(this.#both());
    return (labels) => parts.some((part) => part(labels));
  }

  expect(type: Token["type"], text: string): void {
    if (this.#take(type, text)) return;
    this.#fail(
      type === "end" ? `'${this.#next().text}' was not expected here` : `'${text}' was expected here`,
    );
  }

  #both(): LabelTest {
    const parts = [this.#single()];
    while (this.#take("mark", "&&")) parts.push(this.#single());
    return (labels) => parts.every((part) => part(labels));
  }

  #single(): LabelTest {
    if (this.#take("mark", "!")) {
      const test = this.#single();
      return (labels) => !test(labels);
    }
    if (this.#take("mark", "(")) {
      const test = this.either();
      this.expect("mark", ")");
      return test;
    }
    const name = this.#word("name", "a label's name");
    if (this.#take("mark", "(")) return this.#call(name);
    return this.#comparison(name);
  }

  #call(name: string): LabelTest {
    if (name === "all" || name === "global") {
      this.expect("mark", ")");
      // global() selects objects without namespace, and nodes have none.
      return () => true;
    }
    if (name !== "has") this.#fail(`there is no function ${name}(); all() and has(LABEL) exist`);
    const key = this.#word("name", "a label's name");
    this.expect("mark", ")");
    return (labels) => labelOf(labels, key) !== undefined;
  }

  #comparison(key: string): LabelTest {
    if (this.#take("mark", "==")) return this.#ifPresent(key, (value, text) => value === text);
    if (this.#take("mark", "!=")) {
      const text = this.#word("string", "a quoted value");
      return (labels) => labelOf(labels, key) !== text;
    }
    if (this.#take("name", "contains")) return this.#ifPresent(key, (value, text) => value.includes(text));
    if (this.#takeTwo("starts", "with")) return this.#ifPresent(key, (value, text) => value.startsWith(text));
    if (this.#takeTwo("ends", "with")) return this.#ifPresent(key, (value, text) => value.endsWith(text));
    const not = this.#take("name", "not");
    if (!this.#take("name", "in"))
      this.#fail("==, !=, in, not in, contains, starts with or ends with was expected");
    const set = this.#set();
    return (labels) => {
      const value = labelOf(labels, key);
      return not ? value === undefined || !set.has(value) : value !== undefined && set.has(value);
    };
  }

  #ifPresent(key: string, test: (value: string, text: string) => boolean): LabelTest {
    const text = this.#word("string", "a quoted value");
    return (labels) => {
      const value = labelOf(labels, key);
      return value !== undefined && test(value, text);
    };
  }

  #set(): Set<string> {
    this.expect("mark", "{");
    const values = new Set<string>();
    if (this.#take("mark", "}")) return values;
    do values.add(this.#word("string", "a quoted value"));
    while (this.#take("mark", ","));
    this.expect("mark", "}");
    return values;
  }

  #word(type: "name" | "string", what: string): string {
    const token = this.#next();
    if (token.type !== type) this.#fail(`${what} was expected here`);
    this.#at++;
    return token.text;
  }

  #takeTwo(first: string, second: string): boolean {
    if (!this.#take("name", first)) return false;
    this.expect("name", second);
    return true;
  }

  #take(type: Token["type"], text: string): boolean {
    const token = this.#next();
    if (token.type !== type || token.text !== text) return false;
    if (type !== "end") this.#at++;
    return true;
  }

  #next(): Token {
    // The last token is the end, and nothing takes it.
    return this.#tokens[this.#at]!;
  }

  #fail(why: string): never {
    throw new TrunklineError("api.selector", { text: this.#text, column: this.#next().column, why });
  }
}
