// JSONPath templates as kubectl's -o jsonpath has them: text, and in braces a path, a quoted text, or
// {range PATH}…{end}. Paths: .key, ['key'], [0], [-1], [1:3], [*], .*, ..key and [?(@.a=="b")]; `\.` is a dot in a key.
import { TrunklineError } from "../../base/errors.ts";
import { TextReader } from "../../base/text-reader.ts";

export type JsonPath = readonly Step[];
export type Template = readonly Part[];

type Part =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "path"; readonly path: JsonPath }
  | { readonly type: "range"; readonly path: JsonPath; readonly body: Template };

type Step =
  | { readonly type: "keys"; readonly keys: readonly (string | number)[] }
  | { readonly type: "all" }
  | { readonly type: "slice"; readonly from: number; readonly to: number | undefined }
  | { readonly type: "deep"; readonly key: string }
  | {
      readonly type: "filter";
      readonly path: JsonPath;
      readonly sign: string | undefined;
      readonly value: unknown;
    };

/** @throws TrunklineError `cli.jsonpath` */
export function parseTemplate(text: string): Template {
  const reader = new Reader(text);
  const parts = reader.template();
  if (!reader.atEnd()) reader.fail("{end} stands without a {range}");
  return parts;
}

/** Parses one path, in braces or without: `{.metadata.name}`, `.metadata.name`, `metadata.name`. @throws `cli.jsonpath` */
export function parseJsonPath(text: string): JsonPath {
  const bare = /^\{(.*)\}$/s.exec(text.trim())?.[1] ?? text.trim();
  const reader = new Reader(/^[\w'"]/.test(bare) ? `.${bare}` : bare);
  const path = reader.path();
  if (!reader.atEnd()) reader.fail("the path was expected to end here");
  return path;
}

/** Returns the text of a template for a value; several values of one path stand with blanks between them. */
export function fillTemplate(template: Template, value: unknown): string {
  const texts = template.map((part) => {
    if (part.type === "text") return part.text;
    const values = valuesAt(part.path, value);
    if (part.type === "path") return values.map(jsonText).join(" ");
    return values.map((one) => fillTemplate(part.body, one)).join("");
  });
  return texts.join("");
}

/** Returns all values that a path leads to; none where a field is missing. */
export function valuesAt(path: JsonPath, value: unknown): unknown[] {
  return path.reduce<unknown[]>((values, step) => values.flatMap((one) => take(step, one)), [value]);
}

/** Returns a text as it is, and JSON of anything else. */
export function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function take(step: Step, value: unknown): unknown[] {
  switch (step.type) {
    case "all":
      return inner(value);
    case "keys":
      return step.keys.flatMap((key) => field(value, key));
    case "slice":
      return Array.isArray(value) ? value.slice(step.from, step.to) : [];
    case "deep":
      return [...field(value, step.key), ...inner(value).flatMap((one) => take(step, one))];
    case "filter":
      return inner(value).filter((one) => holds(step, one));
  }
}

function inner(value: unknown): unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

function field(value: unknown, key: string | number): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value))
    return typeof key === "number" && Math.abs(key) <= value.length ? value.slice(key).slice(0, 1) : [];
  return Object.hasOwn(value, key) ? [Reflect.get(value, key)] : [];
}

function holds({ path, sign, value }: Extract<Step, { type: "filter" }>, candidate: unknown): boolean {
  const found = valuesAt(path, candidate);
  if (sign === undefined) return found.length > 0;
  return found.some((one) => compares(one, sign, value));
}

function compares(left: unknown, sign: string, right: unknown): boolean {
  if (sign === "==" || sign === "!=") return (left === right) === (sign === "==");
  if (typeof left !== typeof right || (typeof left !== "number" && typeof left !== "string")) return false;
  const order = left < (right as typeof left) ? -1 : left === right ? 0 : 1;
  return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[sign] ?? false;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

class Reader extends TextReader {
  constructor(text: string) {
    super(text, (place) => new TrunklineError("cli.jsonpath", place));
  }

  /** Reads up to the end, or to an {end}, which is left. */
  template(): Template {
    const parts: Part[] = [];
    while (!this.atEnd()) {
      const text = this.match(/[^{]+/y);
      if (text !== undefined)
        parts.push({
          type: "text",
          text: text.replaceAll(/\\([ntr])/g, (_, one: string) => escapes[one] ?? ""),
        });
      else if (this.next(/\{\s*end\s*\}/y) !== undefined) break;
      else parts.push(this.#part());
    }
    return parts;
  }

  path(): JsonPath {
    const steps: Step[] = [];
    this.match(/\s*[$@]?/y);
    for (let step = this.#step(); step; step = this.#step()) steps.push(step);
    this.match(/\s+/y);
    return steps;
  }

  #part(): Part {
    this.match(/\{\s*/y);
    if (this.match(/range\s+/y) !== undefined) {
      const path = this.path();
      this.expect("}");
      const body = this.template();
      if (this.match(/\{\s*end\s*\}/y) === undefined) this.fail("{end} is missing");
      return { type: "range", path, body };
    }
    const text = this.#quoted();
    const part: Part = text === undefined ? { type: "path", path: this.#somePath() } : { type: "text", text };
    this.match(/\s+/y);
    this.expect("}");
    return part;
  }

  #somePath(): JsonPath {
    if (this.next(/[.$@[]/y) === undefined) this.fail("a path such as .metadata.name was expected here");
    return this.path();
  }

  #step(): Step | undefined {
    if (this.match(/\.\./y) !== undefined) return { type: "deep", key: this.#key() };
    if (this.match(/\.\*/y) !== undefined) return { type: "all" };
    // A dot alone, or before a bracket, leads nowhere else.
    if (this.match(/\.(?=\[|\s|\}|$)/y) !== undefined) return this.#step();
    if (this.match(/\./y) !== undefined) return { type: "keys", keys: [this.#key()] };
    if (this.match(/\[\s*/y) === undefined) return undefined;
    const step = this.#bracket();
    this.match(/\s+/y);
    this.expect("]");
    return step;
  }

  #bracket(): Step {
    if (this.match(/\*/y) !== undefined) return { type: "all" };
    if (this.match(/\?\(/y) !== undefined) return this.#filter();
    const slice = this.match(/-?\d*\s*:\s*(-?\d+)?/y);
    if (slice !== undefined) {
      const [from = "", to = ""] = slice.split(":").map((one) => one.trim());
      return { type: "slice", from: Number(from), to: to === "" ? undefined : Number(to) };
    }
    const keys: (string | number)[] = [];
    do
      keys.push(
        this.#quoted() ??
          Number(
            this.match(/-?\d+/y) ?? this.fail("a number, a quoted key, * or a filter was expected here"),
          ),
      );
    while (this.match(/\s*,\s*/y) !== undefined);
    return { type: "keys", keys };
  }

  #filter(): Step {
    const path = this.path();
    const sign = this.match(/(?:==|!=|<=|>=|<|>)\s*/y)?.trim();
    const value = sign === undefined ? undefined : this.#value();
    this.match(/\s+/y);
    this.expect(")");
    return { type: "filter", path, sign, value };
  }

  #value(): unknown {
    const text = this.#quoted();
    if (text !== undefined) return text;
    const word =
      this.match(/true|false|-?\d+(\.\d+)?/y) ?? this.fail("a quoted text or a number was expected here");
    return JSON.parse(word);
  }

  #key(): string {
    const key = this.match(/(?:\\.|[^\s.[\]{}()=!<>,\\'"])+/y) ?? this.fail("a key was expected here");
    return key.replaceAll(/\\(.)/g, "$1");
  }

  #quoted(): string | undefined {
    const text = this.match(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/y);
    return text?.slice(1, -1).replaceAll(/\\(.)/g, (_, one: string) => escapes[one] ?? one);
  }
}
