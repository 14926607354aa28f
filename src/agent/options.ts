// What an agent is started with, and what it makes its own parts with.

import type { Logger } from "../base/log.ts";
import type { ProviderPlace } from "../cloud/provider.ts";
import type { UsedAddress } from "../ipam/context.ts";
import type { Clock } from "../ipam/types.ts";
import type { Kernel, Machine, NetnsRef } from "../kernel/kernel.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import type { Store } from "../store/store.ts";
import type { ClusterWatch } from "./cluster-watch.ts";
import type { Manager } from "./managers/manager.ts";
import type { AddressSource } from "./pods/addresses.ts";
import type { HealthOptions } from "./served/health-server.ts";

/** What parts of an agent are made with. */
export interface AgentParts {
  readonly node: string;
  readonly kernel: Kernel;
  /** The namespace that the kernel is a handle on. */
  readonly netns: NetnsRef;
  readonly store: Store;
  readonly facts: ClusterFacts;
  readonly stateDir: string;
  readonly logger: Logger;
  /** How long a freed address rests, in milliseconds; undefined: as the allocator thinks right. */
  readonly addressCooldownMs?: number | undefined;
  /** Addresses of pods whose interfaces the agent made, from its own journal and from the kernel. */
  readonly inUse: () => readonly UsedAddress[];
  /** Whom to ask for interfaces in subnets; undefined: nobody, addresses are of pools. */
  readonly cloud?: ProviderPlace | undefined;
  /** Milliseconds since 1970, for stamps; default: the machine's clock. */
  readonly now?: (() => number) | undefined;
  /** Of rests and of the time between tries; default: the machine's. */
  readonly clock?: Clock | undefined;
}

export interface AgentOptions {
  /** Name of the Node object. */
  readonly node: string;
  readonly store: Store;
  readonly machine: Machine;
  /** The node's own namespace. */
  readonly netns: NetnsRef;
  /** Folder for the journals; survives restarts of the agent, need not survive the machine's. */
  readonly stateDir: string;
  /** Unix socket for the plugin executable. */
  readonly socketPath: string;
  /** Where the executable leaves DELs while the agent is away; default: `cni-queue` in the state folder. */
  readonly queueDir?: string;
  readonly logger: Logger;
  /** How long a freed address rests, in milliseconds; default 30,000. */
  readonly addressCooldownMs?: number;
  readonly cloud?: ProviderPlace | undefined;
  readonly now?: (() => number) | undefined;
  readonly clock?: Clock | undefined;
  /** In and below which files of AddressLists may be written; default: nowhere. */
  readonly sinkFolders?: readonly string[] | undefined;
  /** Makes the source of addresses. */
  readonly addresses: (parts: AgentParts) => Promise<AddressSource>;
  /** Makes the managers, in the order in which they are called. */
  readonly managers: (
    parts: AgentParts,
    addresses: Pick<AddressSource, "tunnels" | "places">,
  ) => readonly Manager[];
  /** Shared by agents of one process; else the agent makes its own. Must have been started. */
  readonly cluster?: ClusterWatch;
  readonly health?: HealthOptions;
  /** The process is this agent's alone. */
  readonly processMetrics?: boolean;
  /** Seconds between comparisons with the kernel that no event asked for; default 60. */
  readonly resyncSeconds?: number;
  /** Says on the Node object when it can serve pods; undefined: nobody waits for that. */
  readonly setUpNode?: { readonly startupTaint: string | undefined };
  /** Seconds for which a pod must be gone from the store, and its namespace too, until its addresses are taken back. */
  readonly graceSeconds?: number;
}
