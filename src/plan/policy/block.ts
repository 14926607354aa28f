// ipBlock: a range of addresses with holes.
import { type Cidr, cidrCovers, cidrRange, type IpRange, looseCidr, subtractRanges } from "../../base/ip.ts";

/** Returns the addresses that an ipBlock matches, or what is wrong with it: then it matches nothing. */
export function readBlock(block: {
  readonly cidr?: unknown;
  readonly except?: unknown;
}): { readonly ranges: readonly IpRange[] } | { readonly wrong: string; readonly at: string } {
  const cidr = looseCidr(block.cidr);
  if (cidr === undefined) return { wrong: `'${String(block.cidr)}' is not a range of addresses`, at: "cidr" };
  const holes: Cidr[] = [];
  // Without its holes the range would be wider than anybody wrote.
  if (block.except != null && !Array.isArray(block.except))
    return { wrong: "it must be a list", at: "except" };
  const excepts: readonly unknown[] = block.except ?? [];
  for (const [at, text] of excepts.entries()) {
    const hole = looseCidr(text);
    const place = `except[${at}]`;
    if (hole === undefined) return { wrong: `'${String(text)}' is not a range of addresses`, at: place };
    if (hole.family !== cidr.family || !cidrCovers(cidr, hole) || hole.length === cidr.length)
      return { wrong: `'${String(text)}' must be a strict subset of '${String(block.cidr)}'`, at: place };
    holes.push(hole);
  }
  return { ranges: subtractRanges(cidrRange(cidr), holes.map(cidrRange)) };
}
