// IP addresses and ranges: strict parsing, canonical text (RFC 5952), and the arithmetic that pools, routes and
// policies need. Values are bigints for both families, so that one piece of code serves IPv4 and IPv6.
import { TrunklineError } from "./errors.ts";

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  /** The address as an unsigned integer, 32 or 128 bits. */
  readonly value: bigint;
}

/** A range of addresses whose host bits are zero. */
export interface Cidr {
  readonly family: Family;
  readonly base: bigint;
  /** Prefix length, 0 to 32 or 0 to 128. */
  readonly length: number;
}

/** Both ends belong to the range. */
export interface IpRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/** Returns the number of bits of an address of that family. */
export function familyBits(family: Family): 32 | 128 {
  return bitsOf[family];
}

/**
 * Parses an address in the strict form: four decimal octets without leading zeros, or RFC 4291 text without a zone.
 * @throws TrunklineError `base.address`
 */
export function parseIp(text: string): Ip {
  const value = text.includes(":") ? parse6(text) : parse4(text);
  if (typeof value === "string") throw new TrunklineError("base.address", { text, why: value });
  return { family: text.includes(":") ? 6 : 4, value };
}

/** Returns the parsed address, or undefined where parseIp would throw. */
export function tryParseIp(text: string): Ip | undefined {
  const value = text.includes(":") ? parse6(text) : parse4(text);
  return typeof value === "string" ? undefined : { family: text.includes(":") ? 6 : 4, value };
}

function parse4(text: string): bigint | string {
  const value = ipv4Number(text);
  return value < 0 ? whyNotIpv4(text) : BigInt(value);
}

/**
 * Returns an IPv4 address as an unsigned number, or -1 where the text is none. Such a text is canonical: there is no
 * other way to write the address. Apart from `parseIp`, as large clusters read very many.
 */
export function ipv4Number(text: string): number {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      // Nothing follows a leading zero.
      if (octet === 0) return -1;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return -1;
    } else if (digit === DOT && octet >= 0) {
      value = value * 256 + octet;
      octet = -1;
      dots++;
    } else return -1;
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

/**
 * Returns a range of IPv4 as its first and last address, or undefined where the text is none or is not written in the one form
 * that nobody argues about: no leading zeros, no host bits. Apart from `parseCidr`, as lists have very many.
 */
export function ipv4Ends(text: string): { readonly first: number; readonly last: number } | undefined {
  const slash = text.indexOf("/");
  const digits = text.length - slash - 1;
  const first = slash < 0 ? -1 : ipv4Number(text.slice(0, slash));
  if (first < 0 || digits < 1 || digits > 2) return undefined;
  const [high, low] = [text.charCodeAt(slash + 1) - 48, text.charCodeAt(slash + digits) - 48];
  if (high < 0 || high > 9 || low < 0 || low > 9 || (digits === 2 && high === 0)) return undefined;
  const length = digits === 1 ? low : high * 10 + low;
  if (length > 32) return undefined;
  const size = 2 ** (32 - length);
  return first % size === 0 ? { first, last: first + size - 1 } : undefined;
}

const DOT = ".".charCodeAt(0) - "0".charCodeAt(0);

function whyNotIpv4(text: string): string {
  const parts = text.split(".");
  if (parts.length !== 4) return "an IPv4 address has four numbers";
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part)) return `'${part}' is not a number from 0 to 255`;
    if (part.length > 1 && part.startsWith("0")) return `'${part}' has a leading zero`;
    if (Number(part) > 255) return `${part} is more than 255`;
  }
  return "it is no IPv4 address";
}

function parse6(text: string): bigint | string {
  const halves = text.split("::");
  if (halves.length > 2) return "'::' may stand only once";
  const head = groups6(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groups6(halves[1] ?? "", true) : [];
  if (typeof head === "string") return head;
  if (typeof tail === "string") return tail;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return "an IPv6 address has eight groups";
  let value = 0n;
  for (const group of [...head, ...Array.from({ length: missing }, () => 0), ...tail])
    value = (value << 16n) | BigInt(group);
  return value;
}

function groups6(text: string, mayEndIn4: boolean): number[] | string {
  if (text === "") return [];
  const out: number[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    if (part.includes(".")) {
      if (!mayEndIn4 || at !== parts.length - 1) return "a dotted part may stand only at the end";
      const four = parse4(part);
      if (typeof four === "string") return four;
      out.push(Number(four >> 16n), Number(four & 0xffffn));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return `'${part}' is not a group of one to four hex digits`;
      out.push(Number.parseInt(part, 16));
    }
  }
  return out;
}

/** Returns the canonical text of an address: dotted decimal, or RFC 5952. */
export function formatIp(ip: Ip): string {
  return formatValue(ip.family, ip.value);
}

function formatValue(family: Family, value: bigint): string {
  if (family === 4) {
    const n = Number(value);
    return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  if (value >> 32n === 0xffffn) return `::ffff:${formatValue(4, value & 0xffffffffn)}`;
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(":");
  return `${hex.slice(0, run.start).join(":")}::${hex.slice(run.start + run.length).join(":")}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/**
 * Parses `address/length`. Host bits must be zero: a range with host bits is nearly always a mistake.
 * @throws TrunklineError `base.cidr`
 */
export function parseCidr(text: string): Cidr {
  const found = readCidr(text);
  if (typeof found === "string") throw new TrunklineError("base.cidr", { text, why: found });
  return found;
}

/** Returns the parsed range, or undefined where parseCidr would throw. */
export function tryParseCidr(text: string): Cidr | undefined {
  const found = readCidr(text);
  return typeof found === "string" ? undefined : found;
}

/**
 * Returns the range as API servers read it before 1.36, and as they still read what was stored then: host bits may be set
 * and are dropped, an IPv4 number may have leading zeros (it is decimal). Undefined where there is no such range.
 */
export function looseCidr(text: unknown): Cidr | undefined {
  if (typeof text !== "string") return undefined;
  const [address = "", digits = "", ...rest] = text.split("/");
  if (rest.length > 0 || !/^\d{1,3}$/.test(digits)) return undefined;
  const plain = address.includes(":") ? address : address.replaceAll(/(?<![\d])0+(?=\d)/g, "");
  const ip = tryParseIp(plain);
  const length = Number(digits);
  return ip === undefined || length > bitsOf[ip.family] ? undefined : cidrOf(ip, length);
}

/** Returns whether an IPv6 address holds an IPv4 one (`::ffff:a.b.c.d`), which no packet on the wire carries. */
export function isMapped(ip: Ip): boolean {
  return ip.family === 6 && ip.value >> 32n === 0xffffn;
}

function readCidr(text: string): Cidr | string {
  const slash = text.indexOf("/");
  if (slash < 0) return "a range needs a prefix length, such as /24";
  const ip = tryParseIp(text.slice(0, slash));
  if (!ip) return "the part before '/' is not an address";
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > bitsOf[ip.family]) {
    return `the prefix length must be a number from 0 to ${bitsOf[ip.family]}`;
  }
  const cidr = cidrOf(ip, Number(digits));
  return cidr.base === ip.value
    ? cidr
    : `host bits are set; the range that it lies in is ${formatCidr(cidr)}`;
}

/** Returns the range of that prefix length (bits) which holds the address. */
export function cidrOf(ip: Ip, length: number): Cidr {
  const host = BigInt(bitsOf[ip.family] - length);
  return { family: ip.family, base: (ip.value >> host) << host, length };
}

/** Returns `address/length`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatValue(cidr.family, cidr.base)}/${cidr.length}`;
}

/** Returns an address as the range of it alone: `10.0.0.1/32`, `fd00::1/128`. */
export function hostRange(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** Returns whether a range, as text, holds an address; no where either cannot be read. */
export function rangeHolds(range: string, address: string): boolean {
  const [cidr, ip] = [tryParseCidr(range), tryParseIp(address)];
  return cidr !== undefined && ip !== undefined && cidrContains(cidr, ip);
}

/** Returns how many addresses a range has. */
export function cidrSize(cidr: Cidr): bigint {
  return powers[bitsOf[cidr.family] - cidr.length]!;
}

/** Lists of ten thousand ranges are put together whenever one of them changes. */
const powers = Array.from({ length: 129 }, (_, bits) => 1n << BigInt(bits));

/** Returns a range's first and last address. */
export function cidrRange(cidr: Cidr): IpRange {
  return { family: cidr.family, first: cidr.base, last: cidr.base + cidrSize(cidr) - 1n };
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const host = BigInt(bitsOf[cidr.family] - cidr.length);
  return cidr.family === ip.family && ip.value >> host === cidr.base >> host;
}

/** Returns whether `outer` holds every address of `inner`; a range holds itself. */
export function cidrCovers(outer: Cidr, inner: Cidr): boolean {
  if (outer.length === inner.length) return outer.family === inner.family && outer.base === inner.base;
  return outer.length < inner.length && cidrContains(outer, { family: inner.family, value: inner.base });
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrCovers(a, b) || cidrCovers(b, a);
}

/** Returns the n-th address of a range, counted from 0. */
export function nthIp(cidr: Cidr, n: bigint): Ip {
  return { family: cidr.family, value: cidr.base + n };
}

/** Returns the fewest ranges of prefix form that together are exactly first..last. */
export function rangeToCidrs(range: IpRange): Cidr[] {
  const out: Cidr[] = [];
  const bits = bitsOf[range.family];
  for (let at = range.first; at <= range.last; ) {
    let length = bits;
    while (length > 0) {
      const size = 1n << BigInt(bits - length + 1);
      if (at % size !== 0n || at + size - 1n > range.last) break;
      length--;
    }
    out.push({ family: range.family, base: at, length });
    at += 1n << BigInt(bits - length);
  }
  return out;
}

/** Returns the parts of `range` that none of `holes` covers, in ascending order. */
export function subtractRanges(range: IpRange, holes: readonly IpRange[]): IpRange[] {
  const sorted = holes
    .filter((hole) => hole.family === range.family && hole.last >= range.first && hole.first <= range.last)
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const out: IpRange[] = [];
  let at = range.first;
  for (const hole of sorted) {
    if (hole.first > at) out.push({ family: range.family, first: at, last: hole.first - 1n });
    if (hole.last >= at) at = hole.last + 1n;
  }
  if (at <= range.last) out.push({ family: range.family, first: at, last: range.last });
  return out;
}
