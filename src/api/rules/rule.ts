// What the API server's rules look like here: by the type of the part of an object that they are about.
import type { Path } from "../../base/problem.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Reports a mistake; the path counts from the part that the rule is about. */
export type Say = (path: Path, message: string) => void;

export type Rule = (part: Json, say: Say) => void;

/** Rules by the name of the type; types are those of kubernetes-fields.ts. */
export type Rules = Readonly<Record<string, Rule>>;

/** Returns the field as an object; an empty one where it is absent or something else. */
export function part(value: Json | undefined, field: string): Json {
  const inner = value?.[field];
  return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? (inner as Json) : {};
}

/** Returns the field as a list of objects; an empty one where it is absent. */
export function parts(value: Json | undefined, field: string): readonly Json[] {
  const inner = value?.[field];
  return Array.isArray(inner) ? (inner as Json[]) : [];
}

/** Returns the field as a list of texts. */
export function texts(value: Json | undefined, field: string): readonly string[] {
  const inner = value?.[field];
  return Array.isArray(inner) ? (inner as string[]) : [];
}

/** Returns the field as a text; "" where it is absent. */
export function text(value: Json | undefined, field: string): string {
  const inner = value?.[field];
  return typeof inner === "string" ? inner : "";
}

/** Returns the field as a number; undefined where it is absent. */
export function number(value: Json | undefined, field: string): number | undefined {
  const inner = value?.[field];
  return typeof inner === "number" ? inner : undefined;
}

/** Reports what `why` finds wrong with a text that is there. */
export function must(value: Json, field: string, why: (text: string) => string | undefined, say: Say): void {
  const written = value[field];
  const message = typeof written === "string" && written !== "" ? why(written) : undefined;
  if (message !== undefined) say([field], message);
}

/** Reports values that stand twice. */
export function unique(list: readonly string[], at: (index: number) => Path, say: Say): void {
  const seen = new Set<string>();
  for (const [index, value] of list.entries()) {
    if (seen.has(value)) say(at(index), `'${value}' stands there already`);
    seen.add(value);
  }
}

/** Reports where not exactly one of the fields is there. */
export function exactlyOne(value: Json, fields: readonly string[], what: string, say: Say): void {
  const given = fields.filter((field) => value[field] !== undefined);
  if (given.length === 0) say([], `must have ${what}: one of ${fields.join(", ")}`);
  for (const field of given.slice(1)) say([field], `may not stand beside \`${given[0]}\``);
}
