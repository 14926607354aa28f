// Label selectors as the Kubernetes API defines them (meta/v1 LabelSelector), and the text form that kubectl's -l takes.
import { TrunklineError } from "../../base/errors.ts";
import { TextReader } from "../../base/text-reader.ts";
import type { LabelRequirement, LabelSelector } from "../kinds/core.ts";

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
  while (reader.take(/,/y));
  if (!reader.atEnd()) reader.fail("a comma or the end was expected here");
  return { matchExpressions };
}

function requirement(reader: Reader): LabelRequirement {
  if (reader.take(/!/y)) return { key: reader.word("a label's name"), operator: "DoesNotExist" };
  const key = reader.word("a label's name");
  if (reader.take(/!=/y)) return { key, operator: "NotIn", values: [reader.value()] };
  if (reader.take(/==?/y)) return { key, operator: "In", values: [reader.value()] };
  if (reader.take(/in(?=[\s(]|$)/y)) return { key, operator: "In", values: reader.set() };
  if (reader.take(/notin(?=[\s(]|$)/y)) return { key, operator: "NotIn", values: reader.set() };
  return { key, operator: "Exists" };
}

/** Blanks may stand before everything. */
class Reader {
  readonly #reader: TextReader;

  constructor(text: string) {
    this.#reader = new TextReader(text, (place) => new TrunklineError("api.selector", place));
  }

  fail(why: string): never {
    this.#reader.fail(why);
  }

  atEnd(): boolean {
    this.#skip();
    return this.#reader.atEnd();
  }

  take(mark: RegExp): boolean {
    this.#skip();
    return this.#reader.match(mark) !== undefined;
  }

  word(what: string): string {
    this.#skip();
    return this.#reader.match(/[A-Za-z0-9][\w./-]*/y) ?? this.fail(`${what} was expected here`);
  }

  /** A value may be empty. */
  value(): string {
    this.#skip();
    return this.#reader.match(/[\w./-]*/y) ?? "";
  }

  set(): string[] {
    this.#expect("(");
    const values: string[] = [];
    do values.push(this.value());
    while (this.take(/,/y));
    this.#expect(")");
    return values;
  }

  #expect(mark: string): void {
    this.#skip();
    this.#reader.expect(mark);
  }

  #skip(): void {
    this.#reader.match(/\s+/y);
  }
}
