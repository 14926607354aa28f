// The links that hold a machine's addresses, without a list of all links: a node has one for each of its pods, and the kernel
// needs some 7 µs for each that it tells, while nothing else is done.
import type { Kernel, Link, LinkAddress } from "../../kernel/kernel.ts";

/** So many links are asked for one by one. */
const FEW = 16;

/** Returns the links that hold these addresses, by their indexes. */
export function addressedLinks(
  kernel: Pick<Kernel, "links">,
  addresses: readonly Pick<LinkAddress, "linkIndex">[],
): ReadonlyMap<number, Link> {
  const indexes = new Set(addresses.map(({ linkIndex }) => linkIndex));
  const links =
    indexes.size <= FEW
      ? [...indexes].flatMap((index) => kernel.links.get(index) ?? [])
      : kernel.links.list();
  return new Map(links.map((link) => [link.index, link]));
}
