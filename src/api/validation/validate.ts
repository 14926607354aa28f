// Everything that is wrong with one object by itself, as data: where, what, and what to do.
import type * as z from "zod";
import { formatPath, type Path, type Position, type Problem } from "../../base/problem.ts";
import { nearest } from "../../base/suggest.ts";
import { knowsFields, schemaFor } from "../kinds/schema/schemas.ts";
import type { Kind } from "../object.ts";
import { breaches } from "../rules/index.ts";
import { definitionOf, isNotBuilt } from "../schema.ts";
import { hasShape, shapeFaults, withoutZeros } from "./shape.ts";

/** Says where a field of the object was written; undefined where nobody knows. */
export type Locate = (path: Path) => Position | undefined;

export interface Findings {
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Where an object came from. */
export interface Origin {
  readonly locate: Locate;
  /** Returns a value as it was written, before YAML made a number or a truth of it; undefined where nobody knows. */
  readonly written?: (path: Path) => string | undefined;
}

/** Checks an object of that kind. Unknown fields are warnings, all else is an error. */
export function validate(
  kind: Kind,
  object: unknown,
  origin: Origin = { locate: () => undefined },
): Findings {
  const { locate } = origin;
  const schema = schemaFor(kind);
  const warnings: Problem[] = [];
  const errors: Problem[] = [];
  if (hasShape(kind)) shapeProblems(kind, object, origin, { errors, warnings });
  else if (knowsFields(kind)) unknownFields(schema, object, [], locate, warnings);
  const result = schema.safeParse(withoutZeros(kind, object));
  if (!result.success) {
    const told = errors.map(({ path = "" }) => path);
    const more = problemsOf(result.error.issues, object, origin);
    errors.push(...more.filter(({ path = "" }) => !told.some((above) => isAtOrBelow(path, above))));
  }
  // Rules about several fields can be asked only where each is of its type.
  if (hasShape(kind) && errors.every(({ code }) => code !== "schema.type")) {
    const told = new Set(errors.map(({ path }) => path));
    for (const { path, message } of breaches(kind, withoutZeros(kind, object))) {
      const problem = problemAt("schema.rule", path, `\`${lastName(path)}\` ${message}`, locate);
      if (!told.has(problem.path)) errors.push(problem);
      told.add(problem.path);
    }
  }
  const namespace = inside(object, ["metadata", "namespace"]);
  if (!kind.namespaced && namespace !== undefined) {
    const message = `a ${kind.kind} belongs to no namespace; '${String(namespace)}' is ignored`;
    warnings.push(problemAt("schema.namespace", ["metadata", "namespace"], message, locate));
  }
  return { errors, warnings };
}

function isAtOrBelow(path: string, above: string): boolean {
  return path.startsWith(above) && /^(?:$|[.[])/.test(path.slice(above.length));
}

function shapeProblems(
  kind: Kind,
  object: unknown,
  { locate, written }: Origin,
  out: { readonly errors: Problem[]; readonly warnings: Problem[] },
): void {
  for (const fault of shapeFaults(kind, object)) {
    if (fault.what === "unknown") {
      out.warnings.push(
        unknownField(String(fault.path.at(-1)), fault.known, fault.path.slice(0, -1), locate),
      );
      continue;
    }
    const { code, message, hint } =
      fault.value === null
        ? emptyItem
        : {
            code: "schema.type",
            ...typeWording(`\`${lastName(fault.path)}\``, fault.expected, fault.value, written?.(fault.path)),
          };
    out.errors.push(problemAt(code, fault.path, message, locate, hint));
  }
}

/** Returns a problem of a field, with its position. */
export function problemAt(
  code: string,
  path: Path,
  message: string,
  locate: Locate = () => undefined,
  hint?: string,
  meant?: string,
): Problem {
  const position = locate(path);
  return {
    code,
    message,
    ...(path.length === 0 ? {} : { path: formatPath(path) }),
    ...(hint === undefined ? {} : { hint }),
    ...(meant === undefined ? {} : { meant }),
    ...(position ? { position } : {}),
  };
}

type Issue = z.core.$ZodIssue;

function problemsOf(issues: readonly Issue[], object: unknown, { locate, written }: Origin): Problem[] {
  return issues.map((issue) => {
    const path = issue.path as (string | number)[];
    const value = inside(object, path);
    const { code, message, hint, meant } = wordingOf(issue, path, value, written?.(path));
    return problemAt(code, path, message, locate, hint, meant);
  });
}

interface Wording {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly meant?: string;
}

const emptyItem = {
  code: "schema.type",
  message: "this list item is empty",
  hint: "Write {} to mean an empty object",
};

function wordingOf(issue: Issue, path: Path, value: unknown, written?: string): Wording {
  const field = `\`${lastName(path)}\``;
  if (value === undefined && issue.code !== "custom")
    return { code: "schema.required", message: `${field} is missing` };
  if (value === null) return emptyItem;
  switch (issue.code) {
    case "invalid_type":
      return { code: "schema.type", ...typeWording(field, issue.expected, value, written) };
    case "invalid_value": {
      const known = issue.values.map(String);
      const guess = typeof value === "string" ? nearest(value, known) : undefined;
      const message = `${field} must be ${oneOf(known)}; it is ${show(value)}`;
      return {
        code: "schema.value",
        message,
        ...(guess ? { hint: `Did you mean ${guess}?`, meant: guess } : {}),
      };
    }
    case "invalid_union":
      return { code: "schema.type", message: unionWording(field, issue, value) };
    case "custom": {
      const { code, hint } = (issue.params ?? {}) as { code?: string; hint?: string };
      const message = `${field} ${issue.message}`;
      return { code: code ?? "schema.value", message, ...(hint === undefined ? {} : { hint }) };
    }
    default:
      return { code: "schema.value", message: `${field}: ${issue.message}` };
  }
}

/** Returns a path's last name, with the index behind it if there is one: `from[1]`. */
function lastName(path: Path): string {
  const at = path.findLastIndex((step) => typeof step === "string");
  return formatPath(path.slice(Math.max(at, 0))) || "object";
}

function typeWording(
  field: string,
  expected: string,
  value: unknown,
  written?: string,
): Omit<Wording, "code"> {
  const text = isTextType(expected);
  const plain = typeof value === "number" || typeof value === "boolean";
  // Quoted, what was written is a text; what YAML made of it may be another one: `1.10` is 1.1, `on` is true.
  const other =
    plain && written !== undefined && written !== String(value)
      ? `, which is how \`${written}\` is read`
      : "";
  const message = `${field} must be ${typeName(expected)}; it is ${show(value)}${other}`;
  if (text && plain)
    return { message, hint: `Put it in quotes: ${JSON.stringify(written ?? String(value))}` };
  if (isNumberType(expected) && typeof value === "string" && /^\d+$/.test(value))
    return { message, hint: `Write it without quotes: ${value}` };
  if ((expected === "array" || expected.startsWith("[]")) && typeof value === "object")
    return { message, hint: "A '-' before the first field makes it a list item" };
  return { message };
}

function isTextType(type: string): boolean {
  return type === "string" || type === "text";
}

function isNumberType(type: string): boolean {
  return ["number", "int32", "int64"].includes(type);
}

function unionWording(field: string, issue: z.core.$ZodIssueInvalidUnion, value: unknown): string {
  const inner = issue.errors.flat().find((one) => one.code === "invalid_value");
  const types = issue.errors.flatMap((list) =>
    list.flatMap((one) => (one.code === "invalid_type" ? [one.expected] : [])),
  );
  if (inner?.code === "invalid_value")
    return `${field} must be ${oneOf(inner.values.map(String))}; it is ${show(value)}`;
  if (types.length > 0) return `${field} must be ${types.map(typeName).join(" or ")}; it is ${show(value)}`;
  return `${field} has none of the forms that it may have; it is ${show(value)}`;
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? "") : `one of ${words.join(", ")}`;
}

function typeName(type: string): string {
  const names: Record<string, string> = {
    string: "a text",
    number: "a number",
    boolean: "true or false",
    object: "an object",
    record: "an object",
    array: "a list",
    text: "a text",
    bool: "true or false",
    int32: "a whole number of 32 bits",
    int64: "a whole number",
    port: "a whole number of 32 bits or a text",
    quantity: "a quantity such as 500m or 1Gi",
    time: "a time such as 2026-01-31T12:00:00Z",
    bytes: "base64",
  };
  if (type.startsWith("[]")) return "a list";
  // What is left of the types of Kubernetes, and maps.
  return names[type] ?? (/^(?:\{\}|[A-Z])/.test(type) ? "an object" : `a ${type}`);
}

/** Returns a value in few words. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "string") return `the text '${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`;
  return String(value);
}

function inside(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

/** Walks schema and value side by side, and reports keys that the schema does not name. */
function unknownFields(schema: unknown, value: unknown, path: Path, locate: Locate, out: Problem[]): void {
  const def = definitionOf(schema);
  if (typeof value !== "object" || value === null) return;
  switch (def.type) {
    case "optional":
    case "nullable":
      unknownFields(def["innerType"], value, path, locate, out);
      return;
    case "array":
      for (const [at, item] of Object.entries(value))
        unknownFields(def["element"], item, [...path, Number(at)], locate, out);
      return;
    case "union": {
      const options = def["options"] as z.ZodType[];
      const fitting = options.find((option) => option.safeParse(value).success);
      if (fitting) unknownFields(fitting, value, path, locate, out);
      return;
    }
    case "object": {
      const shape = def["shape"] as Record<string, unknown>;
      for (const [key, item] of Object.entries(value)) {
        if (isNotBuilt(shape[key])) out.push(unbuiltField([...path, key], locate));
        else if (Object.hasOwn(shape, key)) unknownFields(shape[key], item, [...path, key], locate, out);
        else out.push(unknownField(key, Object.keys(shape), path, locate));
      }
      return;
    }
    default:
      return;
  }
}

function unbuiltField(path: Path, locate: Locate): Problem {
  const message = `\`${formatPath(path)}\` has no effect: Trunkline does not do that`;
  return problemAt("schema.not-built", path, message, locate);
}

function unknownField(key: string, known: readonly string[], path: Path, locate: Locate): Problem {
  const guess = nearest(key, known);
  const message = `\`${key}\` is not a field here; it has no effect`;
  const hint = guess === undefined ? undefined : `Did you mean ${guess}?`;
  return problemAt("schema.unknown-field", [...path, key], message, locate, hint, guess);
}
