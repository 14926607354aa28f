// ipBlock: a range of addresses with holes.
import {
  type Cidr,
  cidrCovers,
  cidrOf,
  cidrRange,
  type IpRange,
  subtractRanges,
  tryParseIp,
} from "../../base/ip.ts";

/**
 * Parses a range as the API server always has: host bits may be set and are dropped, and an IPv4 number may have
 * leading zeros (it is decimal). Stored objects can hold such texts.
 */
export function readBlockCidr(text: unknown): Cidr | undefined {
  if (typeof text !== "string") return undefined;
  const [address = "", digits = "", ...rest] = text.split("/");
  if (rest.length > 0 || !/^\d{1,3}$/.test(digits)) return undefined;
  const plain = address.includes(":") ? address : address.replaceAll(/(?<![\d])0+(?=\d)/g, "");
  const ip = tryParseIp(plain);
  const length = Number(digits);
  if (ip === undefined || length > (ip.family === 4 ? 32 : 128)) return undefined;
  return cidrOf(ip, length);
}

/** Returns the addresses that an ipBlock matches, or what is wrong with it: then it matches nothing. */
export function readBlock(block: {
  readonly cidr?: unknown;
  readonly except?: unknown;
}): { readonly ranges: readonly IpRange[] } | { readonly wrong: string; readonly at: string } {
  const cidr = readBlockCidr(block.cidr);
  if (cidr === undefined) return { wrong: `'${String(block.cidr)}' is not a range of addresses`, at: "cidr" };
  const holes: Cidr[] = [];
  // Without its holes the range would be wider than anybody wrote.
  if (block.except != null && !Array.isArray(block.except))
    return { wrong: "it must be a list", at: "except" };
  const excepts: readonly unknown[] = block.except ?? [];
  for (const [at, text] of excepts.entries()) {
    const hole = readBlockCidr(text);
    const place = `except[${at}]`;
    if (hole === undefined) return { wrong: `'${String(text)}' is not a range of addresses`, at: place };
    if (hole.family !== cidr.family || !cidrCovers(cidr, hole) || hole.length === cidr.length)
      return { wrong: `'${String(text)}' must be a strict subset of '${String(block.cidr)}'`, at: place };
    holes.push(hole);
  }
  return { ranges: subtractRanges(cidrRange(cidr), holes.map(cidrRange)) };
}
