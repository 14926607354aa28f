// What schemas are made of. A schema describes what a user may write; it lists the fields of the API that Trunkline does
// not look into as well, so that a mistyped name stands out from a foreign one.
import * as z from "zod";
import { isError } from "../base/errors.ts";
import { goDurationForm, parseGoDuration } from "../base/go-duration.ts";
import { type Cidr, formatCidr, type Ip, isMapped, looseCidr, tryParseCidr, tryParseIp } from "../base/ip.ts";
import type { Draft, KubeObject } from "./object.ts";
import { calicoSelector } from "./selectors/calico-selector.ts";
import { cel, matches, type ServerRule, tell } from "./told.ts";
import {
  subdomainForm,
  whyNotLabel,
  whyNotLabelValue,
  whyNotQualifiedName,
  whyNotSubdomain,
} from "./words.ts";

type Mutable<T> = T extends string | number | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : { -readonly [K in keyof T]: Mutable<T[K]> };

/** Returns the schema of a kind, and fails to compile where schema and type disagree on what an object may hold. */
export function schemaOf<T extends KubeObject>() {
  return <S extends z.ZodType<Draft<T>>>(schema: Mutable<Draft<T>> extends z.input<S> ? S : never): S =>
    schema;
}

/** An object with these fields; `also` names further fields of the API that are kept and not looked into. */
export function fields<S extends z.ZodRawShape>(shape: S, also = ""): z.ZodObject<S, z.core.$loose> {
  const others = also.split(/\s+/).filter((name) => name !== "");
  const rest = Object.fromEntries(others.map((name) => [name, z.unknown().optional()]));
  return z.looseObject({ ...rest, ...shape });
}

const unbuilt = z.unknown().optional();

/** Fields of the API that are kept and have no effect yet: whoever writes one is told so. */
export function notBuilt(names: string): Record<string, typeof unbuilt> {
  return Object.fromEntries(names.split(/\s+/).map((name) => [name, unbuilt]));
}

/** One of those that is a text: rules may ask whether it is there. */
export const notBuiltText = z.string().optional();

/** Returns whether a field's schema is one of those. */
export function isNotBuilt(schema: unknown): boolean {
  return schema === unbuilt || schema === notBuiltText;
}

/** Adds a problem to what a check is about: `path` counts from there. */
export function complain(
  context: z.RefinementCtx,
  code: string,
  path: (string | number)[],
  message: string,
  hint?: string,
): void {
  context.addIssue({ code: "custom", path, message, params: { code, hint } });
}

/** A text that `why` finds nothing wrong with; `why` returns what is wrong. */
export function text(code: string, why: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const message = why(value);
    if (message !== undefined) complain(context, code, [], message);
  });
}

/** A text of a form that is all there is to say of it. @param says what is wrong, in words that follow the text */
export function word(code: string, form: RegExp, most: number, says: string) {
  const schema = text(code, (value) =>
    value.length <= most && form.test(value) ? undefined : `'${value}' ${says}`,
  );
  return tell(schema, { maxLength: most, rules: [{ rule: matches(form), message: says }] });
}

/** A text that is not empty. */
export const someText = tell(
  text("schema.required", (value) => (value === "" ? "must not be empty" : undefined)),
  { minLength: 1 },
);

/** A text that is not empty, and not longer than that. */
export function shortText(most: number) {
  const schema = text("schema.required", (value) =>
    value === ""
      ? "must not be empty"
      : value.length > most
        ? `is longer than ${most} characters`
        : undefined,
  );
  return tell(schema, { minLength: 1, maxLength: most });
}

/** A whole number between bounds. */
export function whole(code: string, least: number, most: number) {
  const schema = z.number().superRefine((value, context) => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    complain(context, code, [], `must be a whole number from ${least} to ${most}; it is ${value}`);
  });
  return tell(schema, { minimum: least, maximum: most });
}

/** How often something was counted. */
export const counted = whole("schema.count", 0, Number.MAX_SAFE_INTEGER);

/** A list of at most so many items. Servers reckon with as many when they ask what a rule costs at worst. */
export function list<S extends z.ZodType>(item: S, most: number, least = 0) {
  const schema = z.array(item).superRefine(({ length }, context) => {
    if (length > most)
      complain(context, "schema.count", [], `must have at most ${most} entries; it has ${length}`);
    if (length < least) complain(context, "schema.required", [], "must have at least one entry");
  });
  return tell(schema, { maxItems: most, ...(least > 0 && { minItems: least }) });
}

/** A list whose items are told apart by some of their texts. */
export function keyedList<S extends z.ZodType>(item: S, keys: readonly string[], most: number, code: string) {
  const keyOf = (one: unknown) => keys.map((key) => String(Reflect.get(one as object, key))).join(" ");
  const schema = z.array(item).superRefine((items, context) => {
    if (items.length > most)
      complain(context, "schema.count", [], `must have at most ${most} entries; it has ${items.length}`);
    const seen = new Set<string>();
    for (const [at, one] of items.entries()) {
      const key = keyOf(one);
      if (seen.has(key))
        complain(context, code, [at, ...keys.slice(0, 1)], `'${key}' is another entry's already`);
      seen.add(key);
    }
  });
  return tell(schema, { maxItems: most, keys });
}

/** Something about several fields of an object. */
export interface FieldRule<T> {
  readonly code: string;
  /** The field that is wrong. */
  readonly field: string;
  readonly holds: (value: T) => boolean;
  /** The same in CEL. */
  readonly cel: string;
  /** What is wrong, in words that follow the field. */
  readonly says: string | ((value: T) => string);
  /** For servers, which know no values; default: `says`. */
  readonly message?: string;
  readonly hint?: string;
}

/** Returns the schema with rules about several fields, which servers are told as well. */
export function ruled<S extends z.ZodType>(schema: S, rules: readonly FieldRule<z.output<S>>[]): S {
  const checked = schema.superRefine((value, context) => {
    for (const { code, field, holds, says, hint } of rules)
      if (!holds(value))
        complain(context, code, [field], typeof says === "string" ? says : says(value), hint);
  });
  const told = rules.map(({ field, cel: rule, says, message, hint }): ServerRule => {
    const words = message ?? (typeof says === "string" ? says : "does not fit the other fields");
    return { rule, message: hint === undefined ? words : `${words}: ${hint}`, fieldPath: `.${field}` };
  });
  return tell(checked, { rules: told }) as S;
}

type Fields = Readonly<Record<string, unknown>>;
const isSet = (value: unknown) => value !== undefined && value !== "";

/** Two texts of which one may be given. */
export function exclusive(code: string, field: string, other: string, hint?: string): FieldRule<object> {
  return {
    code,
    field,
    holds: (value) => !isSet((value as Fields)[field]) || !isSet((value as Fields)[other]),
    cel: `!${cel.isSet(field)} || !${cel.isSet(other)}`,
    says: `and \`${other}\` exclude each other`,
    ...(hint !== undefined && { hint }),
  };
}

/** Returns the address, or undefined where the text is none or an IPv4 one written as IPv6, which no packet carries. */
export function readAddress(value: string): Ip | undefined {
  const ip = tryParseIp(value);
  return ip && !isMapped(ip) ? ip : undefined;
}

/** Returns the range, or undefined where the text is none or of such addresses. */
export function readRange(value: string): Cidr | undefined {
  const range = tryParseCidr(value);
  return range && !isMapped({ family: range.family, value: range.base }) ? range : undefined;
}

function whyNotRange(value: string): string | undefined {
  if (readRange(value)) return undefined;
  if (tryParseCidr(value)) return `'${value}' is an IPv4 range written as an IPv6 one`;
  const slash = value.indexOf("/");
  if (slash < 0) return `'${value}' is not a range: the prefix length is missing, such as /24`;
  return tryParseIp(value.slice(0, slash))
    ? `'${value}' is not a range: the bits behind the prefix must be zero, and the prefix length in bounds`
    : `'${value}' is not a range: the part before '/' is not an address`;
}

/** The longest text of a range: eight groups, the last two dotted, and a length. */
const longestRange = 49;

export const cidr = tell(text("schema.cidr", whyNotRange), {
  maxLength: longestRange,
  rules: [
    {
      rule: cel.range("self"),
      message:
        "is not a range such as 10.1.0.0/16: the bits behind the prefix must be 0, and numbers without leading zeros",
    },
  ],
});

/** What `looseCidr` reads, and servers have refused to take anew since 1.36. */
export const SLOPPY_RANGE = "networkpolicy.sloppy-range";

/** A range in a NetworkPolicy. */
export const policyCidr = z.string().superRefine((value, context) => {
  const loose = looseCidr(value);
  const strict = tryParseCidr(value);
  const address = tryParseIp(value.slice(0, Math.max(value.indexOf("/"), 0)));
  if (!loose) complain(context, "schema.cidr", [], whyNotRange(value) ?? "is not a range");
  else if (address && isMapped(address))
    complain(
      context,
      SLOPPY_RANGE,
      [],
      `'${value}' is an IPv4 range written as an IPv6 one, which servers refuse`,
    );
  else if (!strict) {
    const message =
      `'${value}' is not a range as servers take it since 1.36: the bits behind the prefix must be zero, and numbers have ` +
      "no leading zeros";
    complain(
      context,
      SLOPPY_RANGE,
      [],
      message,
      `Write ${formatCidr(loose)}, which is what it means where it is stored`,
    );
  }
});
export const address = tell(
  text("schema.address", (value) => (readAddress(value) ? undefined : `'${value}' is not an IP address`)),
  {
    maxLength: longestRange,
    rules: [{ rule: "isIP(self)", message: "is not an IP address such as 10.1.0.9" }],
  },
);
export const portNumber = tell(
  z.number().superRefine((value, context) => {
    if (!Number.isInteger(value) || value < 1 || value > 65_535)
      complain(context, "schema.port", [], `must be between 1 and 65535, inclusive; it is ${value}`);
  }),
  { minimum: 1, maximum: 65_535 },
);

const longestDuration = 64;

/**
 * A Go duration between bounds, in seconds.
 * @param says what it must be, in words that follow the field
 */
export function duration(
  code: string,
  bounds: { readonly least: number; readonly most: number; readonly wholeSeconds?: boolean },
  says: string,
) {
  const { least, most, wholeSeconds = false } = bounds;
  const schema = text(code, (value) => {
    const ms = value.length > longestDuration ? undefined : parseGoDuration(value);
    const fits = ms !== undefined && ms >= least * 1000 && ms <= most * 1000;
    return fits && (!wholeSeconds || ms % 1000 === 0) ? undefined : `${says}; it is '${value}'`;
  });
  const rule = [
    matches(goDurationForm),
    `duration(self) >= duration('${least}s')`,
    `duration(self) <= duration('${most}s')`,
    ...(wholeSeconds
      ? [
          // A time of whole seconds is the same as the number of its seconds.
          "timestamp(int(timestamp(0) + duration(self))) == timestamp(0) + duration(self)",
        ]
      : []),
  ].join(" && ");
  return tell(schema, { maxLength: longestDuration, rules: [{ rule, message: says }] });
}

/** RFC 3339, as machines write it. */
export const instant = tell(
  text("schema.time", (value) =>
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value))
      ? undefined
      : `'${value}' is not a time such as 2026-01-31T12:00:00Z`,
  ),
  { format: "date-time" },
);
export const protocol = z.enum(["TCP", "UDP", "SCTP"]);

const keyed = (value: z.ZodType<string>, whyNotValue: (value: string) => string | undefined, code: string) =>
  z.record(z.string(), value).superRefine((map, context) => {
    for (const [key, entry] of Object.entries(map)) {
      const badKey = whyNotQualifiedName(key);
      if (badKey !== undefined) complain(context, code, [key], `the key ${badKey}`);
      const badValue = whyNotValue(entry);
      if (badValue !== undefined) complain(context, code, [key], `the value ${badValue}`);
    }
  });
// By pattern and not by a rule: these stand within lists, where rules would cost too much.
const labelValue = tell(z.string(), {
  maxLength: 63,
  pattern: "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
});
export const labels = keyed(labelValue, whyNotLabelValue, "schema.label");
export const annotations = keyed(z.string(), () => undefined, "schema.annotation");

const labelKey = tell(text("schema.label", whyNotQualifiedName), {
  maxLength: 317,
  pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
});
const requirement = fields({
  key: labelKey,
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: z.array(labelValue).exactOptional(),
}).superRefine((one, context) => {
  const count = one.values?.length ?? 0;
  if (one.operator === "In" || one.operator === "NotIn") {
    if (count === 0)
      complain(context, "schema.selector", ["values"], `must have a value for ${one.operator}`);
    for (const [at, value] of (one.values ?? []).entries()) {
      const why = whyNotLabelValue(value);
      if (why !== undefined) complain(context, "schema.label", ["values", at], why);
    }
  } else if (count > 0) complain(context, "schema.selector", ["values"], `must be empty for ${one.operator}`);
});

export const labelSelector = fields({
  matchLabels: labels.exactOptional(),
  matchExpressions: z.array(requirement).exactOptional(),
});

tell(requirement, {
  rules: [
    {
      rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message: "needs values with In and NotIn, and takes none with Exists and DoesNotExist",
      fieldPath: ".values",
    },
  ],
});
/** A label selector of one of our own kinds. */
export const boundedSelector = fields({
  matchLabels: labels.exactOptional(),
  matchExpressions: list(requirement, 64).exactOptional(),
});

/** Calico's selector language over nodes' labels. */
export const nodeSelector = text("schema.selector", (value) => {
  try {
    calicoSelector(value);
    return undefined;
  } catch (error) {
    if (isError(error, "api.selector")) return error.message;
    throw error;
  }
});

const ownerReference = fields({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().exactOptional(),
  blockOwnerDeletion: z.boolean().exactOptional(),
});

const subdomainName = text("schema.name", whyNotSubdomain);

/** The name of an object. */
export const objectName = tell(text("schema.name", whyNotSubdomain), {
  maxLength: 253,
  rules: [
    {
      rule: matches(subdomainForm),
      message:
        "must consist of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
    },
  ],
});

/** The metadata that users may write. */
export function metadata(name: z.ZodType<string> = subdomainName) {
  return fields(
    {
      name,
      namespace: text("schema.name", whyNotLabel).exactOptional(),
      uid: z.string().exactOptional(),
      resourceVersion: z.string().exactOptional(),
      generation: z.number().exactOptional(),
      creationTimestamp: z.string().exactOptional(),
      deletionTimestamp: z.string().exactOptional(),
      labels: labels.exactOptional(),
      annotations: annotations.exactOptional(),
      ownerReferences: z.array(ownerReference).exactOptional(),
      finalizers: z.array(z.string()).exactOptional(),
      generateName: z.string().exactOptional(),
    },
    "managedFields selfLink deletionGracePeriodSeconds",
  );
}

export const condition = fields(
  {
    type: z.string(),
    status: z.enum(["True", "False", "Unknown"]),
    reason: z.string().exactOptional(),
    message: z.string().exactOptional(),
    lastTransitionTime: z.string().exactOptional(),
    observedGeneration: z.number().exactOptional(),
  },
  "lastProbeTime lastHeartbeatTime lastUpdateTime",
);

/** What holds of an object now: one entry for each type. */
export const conditions = tell(z.array(condition), { keys: ["type"] });

/** Returns what a schema was made from: `type` and its parts, which the library keeps for those who read schemas. */
export function definitionOf(schema: unknown): { readonly type: string; readonly [part: string]: unknown } {
  const { def } = (schema as z.ZodType)._zod;
  return def as unknown as { type: string };
}
