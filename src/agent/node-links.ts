// The node's own links, as opposed to those of pods, tunnels and other programs' bridges.
import type { Kernel } from "../kernel/kernel.ts";
import { isCard } from "../plan/routing/tunnel-settings.ts";

/** Returns the least MTU of the node's links that are up, in bytes; the uplink counts whatever its name is. */
export function leastMtu(kernel: Pick<Kernel, "links">, uplink: string): number {
  const links = kernel.links.list().filter(({ name, up }) => name === uplink || (up && isCard(name)));
  return Math.min(...links.map(({ mtu }) => mtu));
}
