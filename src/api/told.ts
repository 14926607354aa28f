// What an API server is told of a schema beside its types, so that it refuses by itself what validation here refuses: kept
// with the schema that checks the same, from where the custom resource definitions take it (crd/crd.ts).
import type * as z from "zod";

/** A rule of `x-kubernetes-validations`. */
export interface ServerRule {
  /** CEL (Kubernetes 1.33); what is checked is `self`. */
  readonly rule: string;
  /** What is wrong and what to do, in words that follow the field. */
  readonly message: string;
  /** The field that is wrong, seen from what is checked: `.blockSize`. */
  readonly fieldPath?: string;
  /** `oldSelf` is an optional value, and the rule is asked on creation, too. */
  readonly optionalOldSelf?: boolean;
}

/** Fields of JSONSchemaProps (apiextensions.k8s.io/v1), by their names. */
export interface Told {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  /** Fields that tell the items of a list apart (`x-kubernetes-list-type: map`). */
  readonly keys?: readonly string[];
  readonly rules?: readonly ServerRule[];
}

const known = new WeakMap<object, Told>();

/** Notes what servers are told of a schema, beside what was noted before, and returns it. */
export function tell<S extends z.ZodType>(schema: S, told: Told): S {
  const before = toldOf(schema);
  known.set(schema, { ...before, ...told, rules: [...(before.rules ?? []), ...(told.rules ?? [])] });
  return schema;
}

/** Returns what was noted of a schema. */
export function toldOf(schema: unknown): Told {
  return known.get(schema as object) ?? {};
}

/** Returns a text as CEL writes it. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

/** Returns the CEL expression that a text is of a form, which must not look around (RE2 cannot). */
export function matches(form: RegExp, text = "self"): string {
  return `${text}.matches(${quote(form.source)})`;
}

/** CEL's expressions for what texts may be. Mapped addresses (`::ffff:1.2.3.4`) are none to it, and none to us. */
export const cel = {
  range: (text: string) => `(isCIDR(${text}) && cidr(${text}) == cidr(${text}).masked())`,
  /** Whether a text is a range of that family; true where it is no range at all, which is told elsewhere. */
  ofFamily: (text: string, family: 4 | 6) => `(!isCIDR(${text}) || cidr(${text}).ip().family() == ${family})`,
  whole: (text: string, least: number, most: number) =>
    `(int(${text}) >= ${least} && int(${text}) <= ${most})`,
  /** Whether an optional text is given and not empty. */
  isSet: (field: string) => `(has(self.${field}) && self.${field} != '')`,
} as const;
