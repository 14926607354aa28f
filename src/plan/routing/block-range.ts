// Ranges of blocks, parsed once for each object: plans go through thousands of blocks with every change. An object is
// replaced when it changes, never written to.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { type Cidr, formatCidr, tryParseCidr } from "../../base/ip.ts";

export interface BlockRange {
  readonly range: Cidr;
  /** As the kernel and BIRD write it. */
  readonly text: string;
}

const known = new WeakMap<AddressBlock, BlockRange | "bad">();

/** Returns the range of a block; undefined where what it says is no range. */
export function blockRange(block: AddressBlock): BlockRange | undefined {
  let found = known.get(block);
  if (found === undefined) {
    const range = tryParseCidr(block.spec.cidr);
    found = range ? { range, text: formatCidr(range) } : "bad";
    known.set(block, found);
  }
  return found === "bad" ? undefined : found;
}
