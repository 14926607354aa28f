// Which subnet an address is of.
import type { Subnet } from "../../api/kinds/subnet.ts";
import { rangeHolds } from "../../base/ip.ts";
import type { ClusterFacts } from "../facts.ts";

/** Returns the subnet whose range holds an address, unless a pool's does, which is nearer to pods. */
export function subnetOf(
  facts: Pick<ClusterFacts, "subnets" | "pools">,
  address: string,
): Subnet | undefined {
  if (facts.subnets.size === 0) return undefined;
  const holds = (text: string) => rangeHolds(text, address);
  if ([...facts.pools.values()].some(({ spec }) => holds(spec.cidr))) return undefined;
  return [...facts.subnets.values()].find(({ spec }) => holds(spec.cidr));
}
