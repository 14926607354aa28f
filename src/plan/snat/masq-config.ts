// Reads the text of ConfigMap kube-system/ip-masq-agent, key `config`: JSON or YAML, as ip-masq-agent reads it, with a
// position for everything that is wrong. Compatible where ip-masq-agent accepts; where it is silent (unknown keys,
// duplicates, a pause of zero) there are findings.
import { isAlias, isMap, isScalar, isSeq, type Node, type ParsedNode, parseDocument } from "yaml";
import { type ErrorCode, type ErrorData, wording } from "../../base/errors.ts";
import { parseGoDuration } from "../../base/go-duration.ts";
import { cidrOf, formatCidr, parseCidr, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Position, Problem } from "../../base/problem.ts";
import { listFindings } from "./masq-lists.ts";
import {
  defaultNonMasquerade,
  type MasqConfig,
  type MasqRange,
  type MasqReading,
  type PortRange,
  reservedRanges,
} from "./masq-types.ts";

export const MASQ_CONFIG_MAP = "kube-system/ip-masq-agent";
/** What stands for the file name in positions. */
export const MASQ_CONFIG_FILE = "kube-system/ip-masq-agent[config]";

/** Go's JSON decoder matches keys without regard to case, so these are looked up in lower case. */
const knownKeys = [
  "nonMasqueradeCIDRs",
  "masqueradeCIDRs",
  "masqLinkLocal",
  "masqLinkLocalIPv6",
  "cidrLimit",
  "resyncInterval",
  "enableIPv6",
  "nomasqAllReservedRanges",
  "randomFully",
  "toPorts",
  "masqChain",
] as const;
type Key = (typeof knownKeys)[number];

/** Returns what is in force where there is no configuration text. */
export function defaultMasqConfig(): MasqConfig {
  const { config } = readMasqConfig("");
  // The empty text is read without problems: the tests hold that.
  return config as MasqConfig;
}

/**
 * Reads the configuration's text; an empty text means the defaults.
 * @param text JSON or YAML
 * @param file stands in positions
 */
export function readMasqConfig(text: string, file: string = MASQ_CONFIG_FILE): MasqReading {
  const reader = new Reader(text, file);
  const config = reader.read();
  return {
    config: reader.errors.length === 0 ? config : undefined,
    errors: reader.errors,
    findings: reader.findings,
  };
}

class Reader {
  readonly errors: Problem[] = [];
  readonly findings: Problem[] = [];
  readonly #text: string;
  readonly #file: string;
  readonly #lineStarts: readonly number[];

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#lineStarts = lineStarts(text);
  }

  read(): MasqConfig | undefined {
    const document = parseDocument<ParsedNode>(this.#text, {
      prettyErrors: false,
      // An integer beyond 2^53 is refused below by its size; as a bigint it would need a case of its own.
      intAsBigInt: false,
    });
    for (const error of document.errors) {
      if (error.code === "MULTIPLE_DOCS") this.#error("snat.many-documents", undefined, error.pos[0]);
      else if (error.code === "DUPLICATE_KEY")
        continue; // told below, together with keys that differ in case
      else this.#error("snat.syntax", { why: error.message.split("\n")[0] ?? "" }, error.pos[0]);
    }
    if (this.errors.length > 0) return undefined;
    const root = document.contents;
    if (root === null || (isScalar(root) && root.value === null)) return this.#build(new Map());
    if (!isMap(root)) {
      this.#error("snat.not-a-map", { found: kindOfNode(root) }, root.range[0]);
      return undefined;
    }
    const values = new Map<Key, Node>();
    const firstLine = new Map<string, number>();
    for (const pair of root.items) {
      const key = pair.key as Node;
      const at = key.range?.[0] ?? 0;
      const name = isScalar(key) ? String(key.value) : "";
      const known = knownKeys.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
      if (known === undefined) {
        this.#finding("snat.unknown-key", { key: name, ...nearTo(name) }, at);
        continue;
      }
      const first = firstLine.get(known);
      if (first !== undefined) this.#error("snat.repeated-key", { key: name, first }, at, known);
      else firstLine.set(known, this.#position(at).line);
      const value = pair.value as Node | null;
      const target = isAlias(value) ? value.resolve(document) : value;
      if (target) values.set(known, target);
    }
    return this.#build(values);
  }

  #build(values: ReadonlyMap<Key, Node>): MasqConfig {
    const enableIPv6 = this.#bool(values, "enableIPv6");
    const reserved = this.#bool(values, "nomasqAllReservedRanges") ?? false;
    const cidrLimit = this.#limit(values);
    const given = this.#ranges(values, "nonMasqueradeCIDRs", enableIPv6, cidrLimit);
    const masquerade = this.#ranges(values, "masqueradeCIDRs", enableIPv6, cidrLimit);
    const defaults = [...defaultNonMasquerade, ...(reserved ? reservedRanges : [])].map(builtIn);
    // The inverse list alone says it all; the default exemptions would only take away from it in silence.
    const nonMasquerade = given ?? (masquerade === undefined ? defaults : []);
    this.findings.push(...listFindings(nonMasquerade, masquerade ?? [], this.#file));
    const listsIPv6 = [...nonMasquerade, ...(masquerade ?? [])].some((range) => range.cidr.family === 6);
    return {
      nonMasquerade,
      masquerade,
      othersMasqueraded: masquerade === undefined || given !== undefined,
      masqLinkLocal: this.#bool(values, "masqLinkLocal") ?? false,
      masqLinkLocalIPv6: this.#bool(values, "masqLinkLocalIPv6") ?? false,
      cidrLimit,
      resyncInterval: this.#interval(values),
      ipv6: enableIPv6 ?? listsIPv6,
      randomFully: this.#bool(values, "randomFully") ?? true,
      toPorts: this.#ports(values),
      masqChain: this.#string(values, "masqChain")?.value ?? "IP-MASQ-AGENT",
    };
  }

  #bool(values: ReadonlyMap<Key, Node>, key: Key): boolean | undefined {
    const node = values.get(key);
    if (!node || (isScalar(node) && node.value === null)) return undefined;
    if (isScalar(node) && typeof node.value === "boolean") return node.value;
    // The Go programs read YAML 1.1, where these plain words are booleans.
    const word = isScalar(node) && node.type === "PLAIN" ? String(node.value).toLowerCase() : "";
    if (word === "yes" || word === "on") return true;
    if (word === "no" || word === "off") return false;
    this.#typeError(node, key, "true or false");
    return undefined;
  }

  #limit(values: ReadonlyMap<Key, Node>): number {
    const node = values.get("cidrLimit");
    if (!node || (isScalar(node) && node.value === null)) return 64;
    if (!isScalar(node) || typeof node.value !== "number") {
      this.#typeError(node, "cidrLimit", "a number");
      return 64;
    }
    if (Number.isSafeInteger(node.value) && node.value >= 0) return node.value;
    this.#error("snat.limit", { value: node.value }, node.range?.[0] ?? 0, "cidrLimit");
    return 64;
  }

  #string(values: ReadonlyMap<Key, Node>, key: Key): { value: string; at: number } | undefined {
    const node = values.get(key);
    if (!node || (isScalar(node) && node.value === null)) return undefined;
    if (isScalar(node) && typeof node.value === "string")
      return { value: node.value, at: node.range?.[0] ?? 0 };
    this.#typeError(node, key, "a text");
    return undefined;
  }

  #interval(values: ReadonlyMap<Key, Node>): number {
    const text = this.#string(values, "resyncInterval");
    if (text === undefined) return 60_000;
    const ms = parseGoDuration(text.value);
    if (ms === undefined) {
      this.#error("snat.duration", { text: text.value }, text.at, "resyncInterval");
      return 60_000;
    }
    if (ms <= 0) this.#finding("snat.interval-not-positive", { text: text.value }, text.at, "resyncInterval");
    return ms;
  }

  #ports(values: ReadonlyMap<Key, Node>): readonly PortRange[] {
    const text = this.#string(values, "toPorts");
    if (text === undefined || text.value === "") return [];
    const ranges = parsePortRanges(text.value);
    if (typeof ranges !== "string") return ranges;
    this.#error("snat.ports", { text: text.value, why: ranges }, text.at, "toPorts");
    return [];
  }

  /** Returns undefined where the key is absent, [] where it is null. */
  #ranges(
    values: ReadonlyMap<Key, Node>,
    key: "nonMasqueradeCIDRs" | "masqueradeCIDRs",
    enableIPv6: boolean | undefined,
    limit: number,
  ): readonly MasqRange[] | undefined {
    const node = values.get(key);
    if (!node) return undefined;
    const at = node.range?.[0] ?? 0;
    if (isScalar(node) && node.value === null) {
      this.#finding("snat.null-list", { key }, at, key);
      return [];
    }
    if (!isSeq(node)) {
      this.#typeError(node, key, "a list of ranges");
      return [];
    }
    if (node.items.length > limit) {
      this.#error("snat.too-many", { key, count: node.items.length, limit }, at, key);
    }
    const out: MasqRange[] = [];
    for (const [index, item] of node.items.entries()) {
      const range = this.#range(item as Node, `${key}[${index}]`, key, enableIPv6);
      if (range) out.push(range);
    }
    return out;
  }

  #range(item: Node, path: string, key: string, enableIPv6: boolean | undefined): MasqRange | undefined {
    const at = item.range?.[0] ?? 0;
    if (isScalar(item) && item.value === null) {
      this.#error("snat.null-item", { key }, at, path);
      return undefined;
    }
    if (!isScalar(item) || typeof item.value !== "string") {
      this.#error(
        "snat.type",
        { key: path, expected: "a range such as 10.0.0.0/8", found: kindOfNode(item) },
        at,
        path,
      );
      return undefined;
    }
    const text = item.value;
    const cidr = tryParseCidr(text);
    if (!cidr) {
      const network = alignedNetwork(text);
      if (network !== undefined) this.#error("snat.host-bits", { text, network }, at, path);
      else this.#error("snat.range", { text, why: whyNotRange(text) }, at, path);
      return undefined;
    }
    if (cidr.family === 6 && enableIPv6 === false) this.#error("snat.ipv6-off", { text }, at, path);
    const { line, column } = this.#position(at);
    return { cidr, text: formatCidr(cidr), line, column };
  }

  #typeError(node: Node, key: string, expected: string): void {
    this.#error("snat.type", { key, expected, found: kindOfNode(node) }, node.range?.[0] ?? 0, key);
  }

  #error<C extends ErrorCode>(code: C, facts: ErrorData<C>, at: number, path?: string): void {
    this.errors.push(this.#problem(code, facts, at, path));
  }

  #finding<C extends ErrorCode>(code: C, facts: ErrorData<C>, at: number, path?: string): void {
    this.findings.push(this.#problem(code, facts, at, path));
  }

  #problem<C extends ErrorCode>(code: C, facts: ErrorData<C>, at: number, path?: string): Problem {
    return {
      code,
      message: wording(code, facts),
      ...(path === undefined ? {} : { path }),
      position: this.#position(at),
    };
  }

  #position(at: number): Position {
    // Not the library's line counter: after a stray bracket it stops counting.
    const line = upperBound(this.#lineStarts, Math.min(at, this.#text.length));
    return {
      file: this.#file,
      line,
      column: Math.min(at, this.#text.length) - (this.#lineStarts[line - 1] ?? 0) + 1,
    };
  }
}

/**
 * Parses `1024-29999,32768-65535`, as --to-ports has it.
 * @returns the ranges, or why the text is none
 */
export function parsePortRanges(text: string): readonly PortRange[] | string {
  const out: PortRange[] = [];
  for (const part of text.split(",")) {
    const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (!found) return `'${part}' is not a port or a range of ports`;
    const first = Number(found[1]);
    const last = found[2] === undefined ? first : Number(found[2]);
    if (first < 1 || last > 65_535) return `'${part}' is not within 1-65535`;
    if (first > last) return `'${part}' starts after its end`;
    out.push({ first, last });
  }
  return out;
}

function lineStarts(text: string): readonly number[] {
  const out = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) out.push(at + 1);
  return out;
}

/** Returns how many of the ascending numbers are at most `value`. */
function upperBound(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function builtIn(text: string): MasqRange {
  return { cidr: parseCidr(text), text, line: 0, column: 0 };
}

function kindOfNode(node: Node): string {
  if (isMap(node)) return "a map";
  if (isSeq(node)) return "a list";
  if (isAlias(node)) return "an alias";
  if (!isScalar(node)) return "something else";
  return node.value === null
    ? "null"
    : `the ${typeof node.value === "string" ? "text" : typeof node.value} ${String(node.value)}`;
}

function alignedNetwork(text: string): string | undefined {
  const found = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const ip = found?.[1] === undefined ? undefined : tryParseIp(found[1]);
  const length = Number(found?.[2]);
  if (!ip || length > (ip.family === 4 ? 32 : 128)) return undefined;
  return formatCidr(cidrOf(ip, length));
}

function whyNotRange(text: string): string {
  try {
    parseCidr(text);
    return "";
  } catch (error) {
    // Only asked about texts that tryParseCidr refused; the error's facts say why.
    const data: unknown = error instanceof Error && "data" in error ? error.data : undefined;
    if (data && typeof data === "object" && "why" in data && typeof data.why === "string") return data.why;
    throw error;
  }
}

/** A known key that the unknown one was likely meant to be: it differs only in an ending, a dash or an underscore. */
function nearTo(name: string): { near?: string } {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]|s$/g, "");
  const near = knownKeys.find((key) => plain(key) === plain(name));
  return near === undefined ? {} : { near };
}
