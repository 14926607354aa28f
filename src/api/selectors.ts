// Label selectors as the Kubernetes API defines them (meta/v1 LabelSelector), and the text form that kubectl's -l takes.
import { TrunklineError } from "../base/errors.ts";
import type { LabelRequirement, LabelSelector } from "./kinds/core.ts";

export type Labels = Readonly<Record<string, string>>;

/**
 * Returns whether the labels satisfy every requirement of the selector; an empty selector matches everything. NotIn and
 * DoesNotExist match where the key is absent, as upstream.
 */
export function matchesSelector(selector: LabelSelector, labels: Labels | undefined): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    if (labelOf(labels, key) !== value) return false;
  return (selector.matchExpressions ?? []).every((one) => matchesRequirement(one, labels));
}

export function matchesRequirement(requirement: LabelRequirement, labels: Labels | undefined): boolean {
  const value = labelOf(labels, requirement.key);
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      // A stored object may be older than its validation: what nobody can understand selects nothing.
      return false;
  }
}

/** Returns a label's value. Labels are users' own: one called `constructor` must not find the prototype's. */
export function labelOf(labels: Labels | undefined, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Returns whether the selector matches everything. */
export function selectsAll(selector: LabelSelector): boolean {
  return (
    Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0
  );
}

/** Returns the selector in kubectl's text form, sorted, so that equal selectors give equal texts; "" selects all. */
export function selectorText(selector: LabelSelector): string {
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const set = `(${values.toSorted().join(",")})`;
    const forms = {
      In: `${key} in ${set}`,
      NotIn: `${key} notin ${set}`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    // Of what an old object may hold, too: a text that nobody takes for something else.
    parts.push(Object.hasOwn(forms, operator) ? forms[operator] : `${key} ${operator}? ${set}`);
  }
  return parts.toSorted().join(",");
}

/**
 * Parses kubectl's text form: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, joined by commas.
 * @throws TrunklineError `api.selector`
 */
export function parseSelector(text: string): LabelSelector {
  const reader = new Reader(text);
  const matchExpressions: LabelRequirement[] = [];
  if (reader.atEnd()) return {};
  do matchExpressions.push(requirement(reader));
  while (reader.take(","));
  if (!reader.atEnd()) reader.fail("a comma or the end was expected here");
  return { matchExpressions };
}

function requirement(reader: Reader): LabelRequirement {
  if (reader.take("!")) return { key: reader.word("a label's name"), operator: "DoesNotExist" };
  const key = reader.word("a label's name");
  if (reader.take("!=")) return { key, operator: "NotIn", values: [reader.value()] };
  if (reader.take("==") || reader.take("=")) return { key, operator: "In", values: [reader.value()] };
  if (reader.takeWord("in")) return { key, operator: "In", values: reader.set() };
  if (reader.takeWord("notin")) return { key, operator: "NotIn", values: reader.set() };
  return { key, operator: "Exists" };
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fail(why: string): never {
    throw new TrunklineError("api.selector", { text: this.#text, column: this.#at + 1, why });
  }

  atEnd(): boolean {
    this.#skip();
    return this.#at === this.#text.length;
  }

  take(mark: string): boolean {
    this.#skip();
    if (!this.#text.startsWith(mark, this.#at)) return false;
    this.#at += mark.length;
    return true;
  }

  takeWord(word: string): boolean {
    this.#skip();
    const found = /^[a-z]+(?=[\s(]|$)/.exec(this.#text.slice(this.#at))?.[0];
    return found === word && this.take(word);
  }

  word(what: string): string {
    this.#skip();
    const found = /^[A-Za-z0-9][\w./-]*/.exec(this.#text.slice(this.#at))?.[0];
    if (found === undefined) this.fail(`${what} was expected here`);
    this.#at += found.length;
    return found;
  }

  /** A value may be empty. */
  value(): string {
    this.#skip();
    const found = /^[\w./-]*/.exec(this.#text.slice(this.#at))?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  set(): string[] {
    if (!this.take("(")) this.fail("'(' was expected here");
    const values: string[] = [];
    do values.push(this.value());
    while (this.take(","));
    if (!this.take(")")) this.fail("')' was expected here");
    return values;
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}
