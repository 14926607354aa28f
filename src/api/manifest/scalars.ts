// What an unquoted word of YAML means to kubectl: YAML 1.1 as Go's yaml library reads it (go.yaml.in/yaml/v2 2.4,
// resolve.go), which is neither the text of YAML 1.1 nor of 1.2. `0120` is 80 and `on` is true, `1:30` and
// `2001-01-01` stay texts.
import { Scalar, type ScalarTag, type Tags } from "yaml";

const truths = new Set("y Y yes Yes YES true True TRUE on On ON".split(" "));
const lies = new Set("n N no No NO false False FALSE off Off OFF".split(" "));
const nothings = new Set(["", "~", "null", "Null", "NULL"]);
const floats = new Map(
  [".nan", ".inf", "+.inf", "-.inf"].flatMap((word) => {
    const value = word === ".nan" ? Number.NaN : word.startsWith("-") ? -Infinity : Infinity;
    const sign = word.startsWith(".") ? "" : word.slice(0, 1);
    const [first, ...forms] = word === ".nan" ? [".nan", ".NaN", ".NAN"] : [".inf", ".Inf", ".INF"];
    return [first, ...forms].map((form): [string, number] => [`${sign}${form}`, value]);
  }),
);

/** Returns what an unquoted word means. */
export function resolvePlain(word: string): string | number | boolean | null {
  if (nothings.has(word)) return null;
  if (truths.has(word)) return true;
  if (lies.has(word)) return false;
  return numberOf(word) ?? word;
}

// Go's ParseInt with base 0, on what is left without underscores: a leading 0 means octal, as in C.
const octal = /^([-+]?)0o?([0-7]+)$/i;
const hexadecimal = /^([-+]?)0x([0-9a-f]+)$/i;
const binary = /^([-+]?)0b([01]+)$/i;
const bases = [
  [hexadecimal, "0x"],
  [binary, "0b"],
  [octal, "0o"],
] as const;
const decimal = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const largest = 2n ** 64n;

function numberOf(word: string): number | undefined {
  const named = floats.get(word);
  if (named !== undefined) return named;
  // Underscores are passed over only behind a digit or sign.
  if (word.startsWith(".")) return decimal.test(word) ? finite(word) : undefined;
  if (!/^[-+\d]/.test(word)) return undefined;
  const plain = word.replaceAll("_", "");
  for (const [form, prefix] of bases) {
    const [, sign, digits] = form.exec(plain) ?? [];
    if (digits === undefined) continue;
    const value = BigInt(`${prefix}${digits}`);
    // What does not fit 64 bits is read as a decimal, if it looks like one.
    if (value < largest) return Number(value) * (sign === "-" ? -1 : 1);
  }
  return decimal.test(plain) ? finite(plain) : undefined;
}

function finite(text: string): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Returns the text that kubectl makes of a key; `word` is how it was written, without quotes, and `value` what it means. */
export function keyText(word: string, value: unknown): string {
  if (typeof value !== "number") return String(value);
  const plain = word.replaceAll("_", "");
  const sign = plain.startsWith("-") ? "-" : "";
  for (const [form, prefix] of [...bases, [/^([-+]?)(\d+)$/, ""] as const]) {
    const [, , digits] = form.exec(plain) ?? [];
    const whole = digits === undefined ? undefined : BigInt(`${prefix}${digits}`);
    if (whole !== undefined && whole < largest) return whole === 0n ? "0" : `${sign}${whole}`;
  }
  return shortFloat(value);
}

/** Go's `%g` of a 32-bit number, which is what keys that are no whole numbers become. */
function shortFloat(value: number): string {
  const enough = [1, 2, 3, 4, 5, 6, 7, 8].find(
    (digits) => Math.fround(Number(value.toPrecision(digits))) === Math.fround(value),
  );
  const [mantissa = "", exponent = "0"] = value.toExponential((enough ?? 9) - 1).split("e");
  const size = Number(exponent);
  if (size >= -4 && size < 6) return String(Number(`${mantissa}e${exponent}`));
  return `${mantissa}e${size < 0 ? "-" : "+"}${String(Math.abs(size)).padStart(2, "0")}`;
}

/** The library asks a pattern whether an unquoted word is of a type; these words are told apart by a function. */
class Words extends RegExp {
  readonly #is: (word: string) => boolean;

  constructor(is: (word: string) => boolean) {
    super("");
    this.#is = is;
  }

  override test(word: string): boolean {
    return this.#is(word);
  }
}

function tagOf(type: "null" | "bool" | "int" | "float", is: (value: unknown) => boolean): ScalarTag {
  return {
    tag: `tag:yaml.org,2002:${type}`,
    identify: is,
    default: true,
    test: new Words((word) => is(resolvePlain(word))),
    resolve(text, onError) {
      const value = resolvePlain(text);
      if (!is(value)) onError(`'${text}' is not a value of the type ${type}`);
      return value;
    },
    stringify: ({ value }) => JSON.stringify(value ?? null),
  };
}

const scalars: readonly ScalarTag[] = [
  { ...tagOf("null", (value) => value === null), createNode: () => new Scalar(null) },
  tagOf("bool", (value) => typeof value === "boolean"),
  tagOf("int", Number.isInteger as (value: unknown) => boolean),
  // Behind the whole numbers, so that these are floats only where a tag says so.
  tagOf("float", (value) => typeof value === "number"),
];

/** Options for the YAML library: words mean what they mean to kubectl. */
export const kubectlScalars = {
  schema: "core",
  customTags: (tags: Tags): Tags => [
    ...tags.filter((tag) => typeof tag !== "string" && /:(?:map|seq|str)$/.test(tag.tag)),
    ...scalars,
  ],
  merge: true,
} as const;
