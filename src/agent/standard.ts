// What every agent is made of, in production as in the lab.

import type { AgentOptions } from "./agent.ts";
import { poolAddresses } from "./pool-addresses.ts";
import { RoutingManager } from "./routing-manager.ts";

/** Addresses out of block pools, and the managers in the order in which they are called. */
export const standardParts: Pick<AgentOptions, "addresses" | "managers"> = {
  addresses: poolAddresses,
  managers: ({ kernel, logger }) => [new RoutingManager(kernel, logger)],
};
