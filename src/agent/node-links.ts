// The node's own links, as opposed to those of pods, tunnels and other programs' bridges.
import type { Kernel } from "../kernel/kernel.ts";
import type { NodeFacts } from "../plan/facts.ts";
import { isCard } from "../plan/routing/tunnel-settings.ts";

/** Returns the least MTU of the node's links that are up, in bytes; those with its addresses count whatever their names are. */
export function leastMtu(
  kernel: Pick<Kernel, "links" | "addresses">,
  { uplink, addresses }: Pick<NodeFacts, "uplink" | "addresses">,
): number {
  const holding = new Set(
    kernel.addresses
      .list()
      .filter(({ address }) => addresses.includes(address.split("/")[0] ?? ""))
      .map(({ linkIndex }) => linkIndex),
  );
  const links = kernel.links
    .list()
    .filter(({ name, up, index }) => name === uplink || (up && (isCard(name) || holding.has(index))));
  return Math.min(...links.map(({ mtu }) => mtu));
}

/** Returns the addresses that a machine has, without lengths, as its kernel writes them. */
export function ownAddresses({ addresses }: Pick<Kernel, "addresses">): string[] {
  return addresses.list().map(({ address }) => address.split("/")[0] ?? "");
}
