// What a machine does not take from outside, as it says that it is from the machine itself.
import type { Choices } from "../../plan/foreign/index.ts";
import { bare, type Machine } from "../ground/ground.ts";
import { isLoopback, wholeRanges } from "../ground/own-addresses.ts";
import type { Network } from "../judges/judge.ts";

/**
 * Returns whether a machine drops what comes in with that source. Of IPv4 the kernel looks whether one of its links has the
 * address; whether a whole range on its loopback link holds it, it asks only where somebody has made local routes, or a filter
 * of sources is on, or the packet would go back by the link that it came by (fib_validate_source of fib_frontend.c).
 */
export function isMartian(
  { atlas }: Pick<Network, "atlas">,
  machine: Machine,
  source: string,
  destination: string,
  choices: Choices,
): boolean {
  if (isLoopback(source)) return true;
  if (source.includes(":") || !atlas.isLocal(machine, source)) return false;
  const isExact = machine.links.some(({ addresses }) => addresses.some((text) => bare(text) === source));
  const isByHand = machine.taken !== undefined || machine.routes.some(({ type }) => type === "local");
  if (isExact || isByHand || wholeRanges(machine, source).length === 0) return true;
  if (atlas.isLocal(machine, destination)) return false;
  const doubt = `whether ${machine.name} passes on what is from ${source}, of a range on its loopback link`;
  return choices.pick(2, doubt) === 1;
}
