// Which block to claim next, as a pure function of the blocks that are there.
import { createHash } from "node:crypto";
import { blockName } from "../api/kinds/address-block.ts";
import { type Cidr, cidrsOverlap, familyBits, formatCidr, parseCidr } from "../base/ip.ts";
import type { PoolRange } from "./types.ts";

/**
 * Returns the first range of the pool, of the pool's block size, that no known block overlaps. The walk starts at a
 * place made from the node's name, so that nodes seldom want the same block, and is the same every time.
 * `refused`: names of blocks that were tried and are not to be had.
 */
export function nextBlock(
  pool: PoolRange,
  node: string,
  known: readonly Cidr[],
  refused: ReadonlySet<string>,
): string | undefined {
  const range = parseCidr(pool.cidr);
  if (pool.blockSize < range.length) return undefined;
  const near = known.filter((cidr) => cidrsOverlap(cidr, range));
  const names = new Set(near.map((cidr) => formatCidr(cidr)));
  const odd = near.filter((cidr) => cidr.length !== pool.blockSize);
  const count = 1n << BigInt(pool.blockSize - range.length);
  const step = 1n << BigInt(familyBits(range.family) - pool.blockSize);
  const start = startOf(node) % count;
  // At most one step for each range that is not to be had, and one more: an IPv6 pool is never walked to its end.
  const steps = walkLength(count, near.length + refused.size + oddSteps(odd, pool.blockSize));
  for (let n = 0n; n < steps; n++) {
    const base = range.base + ((start + n) % count) * step;
    const cidr: Cidr = { family: range.family, base, length: pool.blockSize };
    const text = formatCidr(cidr);
    if (names.has(text) || refused.has(blockName(text))) continue;
    if (odd.some((other) => cidrsOverlap(other, cidr))) continue;
    return text;
  }
  return undefined;
}

function walkLength(count: bigint, taken: number): bigint {
  const enough = BigInt(taken) + 1n;
  return enough < count ? enough : count;
}

/** A larger block of an earlier pool stands in the way of many steps. */
function oddSteps(odd: readonly Cidr[], blockSize: number): number {
  return odd.reduce((sum, cidr) => sum + 2 ** Math.min(40, Math.max(0, blockSize - cidr.length)), 0);
}

/** Returns a number made from the node's name, spread evenly. */
export function startOf(node: string): bigint {
  return createHash("sha256").update(node).digest().readBigUInt64BE();
}
