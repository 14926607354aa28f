// What every agent is made of, in production as in the lab.

import { RefusalLog } from "./denied/refusal-log.ts";
import { FlowManager } from "./flows/flow-manager.ts";
import { AddressManager } from "./managers/address-manager.ts";
import { ForwardManager } from "./managers/forward-manager.ts";
import { NodeTable } from "./managers/node-table.ts";
import { Ipv6Guard } from "./managers/policy/ipv6-guard.ts";
import { PolicyManager } from "./managers/policy/policy-manager.ts";
import { StageManager } from "./managers/policy/stage-manager.ts";
import { RoutingManager } from "./managers/routing-manager.ts";
import { SnatManager } from "./managers/snat-manager.ts";
import { TunnelManager } from "./managers/tunnel-manager.ts";
import type { AgentOptions } from "./options.ts";
import { BirdManager } from "./routing/bird-manager.ts";
import { chosenAddresses } from "./subnets/chosen-addresses.ts";
import { GroupManager } from "./subnets/group-manager.ts";

const CUT_SPACING_MS = 50;

/** Addresses of subnets and of block pools, and the managers in the order in which they are called. */
export const standardParts: Pick<AgentOptions, "addresses" | "managers"> = {
  addresses: chosenAddresses,
  managers: (parts, addresses) => {
    const { kernel, logger } = parts;
    // Every manager that writes into the table is named here.
    const table = new NodeTable(kernel.nft, ["tunnel", "policy", "snat"]);
    // First of all: the rules ask the kernel to tell of refusals only where it can.
    const refusals: RefusalLog = new RefusalLog({
      ...parts,
      model: () => policy.model,
      stagedModel: () => stage.model,
    });
    const log = refusals.supported;
    const flows = new FlowManager({
      ...parts,
      places: () => addresses.places?.() ?? new Map<string, never>(),
    });
    const policy = new PolicyManager({
      kernel,
      logger,
      table,
      cutSpacingMs: CUT_SPACING_MS,
      log,
      cut: () => flows.renew(),
    });
    const stage = new StageManager({ kernel, logger, log });
    return [
      new AddressManager(parts),
      new TunnelManager({ ...parts, table, addresses: addresses.tunnels, renew: () => flows.renew() }),
      new RoutingManager(kernel, logger),
      new BirdManager(parts),
      new Ipv6Guard(kernel, log),
      policy,
      stage,
      refusals,
      new GroupManager({
        table,
        places: () => addresses.places?.() ?? new Map<string, never>(),
        filtersGroup: (id) => parts.cloud?.filtersGroup?.(id) ?? false,
        log,
      }),
      new SnatManager({ ...parts, table }),
      new ForwardManager(parts),
      // Last: what it lets pass all others by is what they have let pass.
      flows,
    ];
  },
};
