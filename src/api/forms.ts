// Small schemas that others are made of: texts of a form, numbers and lists in bounds, rules about several fields. Each tells API
// servers what it checks (told.ts).
import * as z from "zod";
import { goDurationForm, parseGoDuration } from "../base/go-duration.ts";
import { type Cidr, type Ip, isMapped, tryParseCidr, tryParseIp } from "../base/ip.ts";
import { cel, matches, type ServerRule, tell } from "./told.ts";

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
export function list<S extends z.ZodType>(item: S, most: number) {
  const schema = z.array(item).superRefine(({ length }, context) => {
    if (length > most)
      complain(context, "schema.count", [], `must have at most ${most} entries; it has ${length}`);
  });
  return tell(schema, { maxItems: most });
}

/** A list whose items are told apart by some of their texts. */
export function keyedList<S extends z.ZodType>(item: S, keys: readonly string[], most: number, code: string) {
  const keyOf = (one: unknown) => keys.map((key) => String(Reflect.get(one as object, key))).join(" ");
  const schema = list(item, most).superRefine((items, context) => {
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

export function whyNotRange(value: string): string | undefined {
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

const timeForm =
  /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])$/;

/**
 * RFC 3339, as machines write it. By pattern: where a text has a `format`, API servers take a list in its place (1.37).
 */
export const instant = tell(
  text("schema.time", (value) =>
    timeForm.test(value) ? undefined : `'${value}' is not a time such as 2026-01-31T12:00:00Z`,
  ),
  { pattern: timeForm.source },
);
