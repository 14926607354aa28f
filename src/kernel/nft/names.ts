// What may stand in nft's text. Everything that reaches a rule is checked here, so that no value, whoever wrote it,
// can end a statement and begin another.
import { TrunklineError } from "../../base/errors.ts";
import { ipv4Number, tryParseIp } from "../../base/ip.ts";

/** Types of a set's key, part by part; several parts make a concatenation. */
export type NftType =
  | "ipv4_addr"
  | "ipv6_addr"
  | "inet_proto"
  | "inet_service"
  | "ifname"
  | "mark"
  | "classid"
  | "ether_addr";

/** Chains, sets, maps and tables: a letter, then letters, digits and `_ . -`, at most 128 characters. */
const namePattern = /^[a-zA-Z][a-zA-Z0-9_.-]{0,127}$/;

/**
 * Returns `name` if it may name an nft object.
 * @throws TrunklineError `kernel.nft-name`
 */
export function checkName(name: string): string {
  if (!namePattern.test(name)) throw new TrunklineError("kernel.nft-name", { name });
  return name;
}

/**
 * Returns `rule` if it is one statement line: no line break, no `;`, no comment, and balanced braces.
 * @throws TrunklineError `kernel.nft-rule`
 */
export function checkRule(rule: string): string {
  let depth = 0;
  for (const character of rule.replaceAll(/"[^"\n\\]*"/g, '""')) {
    if (character === "{") depth++;
    else if (character === "}") depth--;
    if (depth < 0 || character === "\n" || character === ";" || character === "#") depth = Number.NaN;
  }
  if (depth !== 0 || rule.trim() === "") throw new TrunklineError("kernel.nft-rule", { rule });
  return rule;
}

const services = /^\d{1,5}$/;
const patterns: Record<Exclude<NftType, "ipv4_addr" | "ipv6_addr" | "inet_service">, RegExp> = {
  inet_proto: /^(tcp|udp|sctp|icmp|ipv6-icmp|udplite|dccp|esp|ah|\d{1,3})$/,
  // IFNAMSIZ is 16 with the closing zero; nft wants names in quotes, a star at the end is a prefix.
  ifname: /^"[a-zA-Z0-9_.@-]{1,15}\*?"$/,
  mark: /^0x[0-9a-f]{1,8}$/,
  classid: /^[0-9a-f]{1,4}:[0-9a-f]{1,4}$/,
  ether_addr: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
};

function isAddress(text: string, family: 4 | 6, interval: boolean): boolean {
  const one = (part: string): boolean =>
    family === 4 ? ipv4Number(part) >= 0 : tryParseIp(part)?.family === family;
  if (!interval) return one(text);
  const slash = text.indexOf("/");
  if (slash >= 0) {
    const length = text.slice(slash + 1);
    return (
      one(text.slice(0, slash)) && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128)
    );
  }
  return text.split("-").length <= 2 && text.split("-").every(one);
}

function isService(text: string, interval: boolean): boolean {
  const parts = text.split("-");
  if (parts.length > (interval ? 2 : 1)) return false;
  return parts.every((part) => services.test(part) && Number(part) <= 65_535);
}

function isPart(text: string, type: NftType, interval: boolean): boolean {
  if (type === "ipv4_addr") return isAddress(text, 4, interval);
  if (type === "ipv6_addr") return isAddress(text, 6, interval);
  if (type === "inet_service") return isService(text, interval);
  return patterns[type].test(text);
}

/** Returns whether `text` is a value of the concatenated types; with `interval`, parts may be ranges. */
export function isValue(text: string, types: readonly NftType[], interval: boolean): boolean {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return isPart(text, only, interval);
  let from = 0;
  for (const [at, type] of types.entries()) {
    const isLast = at === types.length - 1;
    const end = isLast ? text.length : text.indexOf(" . ", from);
    // No type's pattern has the joint in it, so what is left over is no value of the last one.
    if (end < 0 || !isPart(text.slice(from, end), type, interval)) return false;
    from = end + 3;
  }
  return types.length > 0;
}

const verdict = /^(accept|drop|return|continue|(?:jump|goto) [a-zA-Z][a-zA-Z0-9_.-]{0,127})$/;

/** Returns whether `text` is what a verdict map may hold. */
export function isVerdict(text: string): boolean {
  return verdict.test(text);
}

/** Returns the chains that a rule or a verdict jumps or goes to. */
export function chainsNamedIn(text: string): string[] {
  return [...text.matchAll(/\b(?:jump|goto) ([a-zA-Z][a-zA-Z0-9_.-]*)/g)].map((match) => match[1] ?? "");
}

/** Returns the sets and maps that a rule looks up. */
export function setsNamedIn(text: string): string[] {
  // `@th,16,16` is a part of the packet.
  return [...text.matchAll(/@(?!(?:ll|nh|th|ih),)([a-zA-Z][a-zA-Z0-9_.-]*)/g)].map((match) => match[1] ?? "");
}
