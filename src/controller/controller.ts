// The cluster's daemon: what one process does for all nodes. It holds no state of its own, and a second one does no harm;
// where several are started, one of them acts (leader/).
import type { Logger } from "../base/log.ts";
import type { ProviderPlace } from "../cloud/provider.ts";
import { systemClock } from "../ipam/clock.ts";
import type { Clock } from "../ipam/types.ts";
import { isAtController } from "../sinks/places.ts";
import type { SinkPlace } from "../sinks/sink.ts";
import { SinkKeeper } from "../sinks/sink-keeper.ts";
import type { Store } from "../store/store.ts";
import { InjectedLists } from "./address-lists/injected-lists.ts";
import { ListKeeper } from "./address-lists/list-keeper.ts";
import { IpamCollector } from "./ipam-gc.ts";
import { OwnerGc } from "./owner-gc.ts";
import { PodNetworks } from "./pod-networks/pod-networks.ts";
import { PolicyEvents } from "./policy-events.ts";
import { PoolEvents } from "./pool-events.ts";
import { PoolTunnels } from "./pool-tunnels.ts";
import { SourceNatConditions } from "./source-nat-conditions.ts";
import { SubnetKeeper } from "./subnet-keeper.ts";

export interface ControllerOptions {
  readonly store: Store;
  readonly logger: Logger;
  /** Whom to ask about subnets; undefined: nobody. */
  readonly cloud?: ProviderPlace | undefined;
  /** Whether somebody else deletes what has lost its owners, as Kubernetes does; default: nobody. */
  readonly ownersAreKept?: boolean;
  /** In and below which files of AddressLists may be written; default: nowhere. */
  readonly sinkFolders?: readonly string[] | undefined;
  /** Who calls Alibaba Cloud in a region for sinks there; default: nobody. */
  readonly sinkCloud?: SinkPlace["cloud"];
  /** Region of pods that ask the webhook injector for entries; default: they are not heard. */
  readonly injectorRegion?: string | undefined;
  /** Default: the machine's. */
  readonly clock?: Pick<Clock, "now" | "sleep"> | undefined;
}

export interface Controller {
  stop(): Promise<void>;
}

/** Starts the controller; settles when it has seen the store once. */
export async function startController({
  store,
  logger,
  cloud,
  ownersAreKept = false,
  sinkFolders = [],
  sinkCloud,
  injectorRegion,
  clock = systemClock,
}: ControllerOptions): Promise<Controller> {
  const garbage = ownersAreKept ? undefined : new OwnerGc(store, logger);
  const addresses = new IpamCollector({ store, logger });
  const policies = new PolicyEvents(store, logger);
  const sourceNats = new SourceNatConditions(store, logger);
  const tunnels = new PoolTunnels(store, logger);
  const pools = new PoolEvents(store, logger);
  const subnets = new SubnetKeeper({ store, logger, cloud, clock });
  const podNetworks = new PodNetworks({ store, logger, cloud, clock });
  const lists = new ListKeeper({ store, logger, clock });
  // Where it runs is no machine of its own: it writes files, and no firewall's sets.
  const place = { netns: "self", folders: sinkFolders, store, cloud: sinkCloud } as const;
  const sinks = new SinkKeeper({
    store,
    logger,
    clock,
    at: "controller",
    isHere: isAtController,
    place,
    lists: lists.lists,
  });
  const cloudThere = injectorRegion === undefined ? undefined : sinkCloud?.(injectorRegion);
  const injected =
    cloudThere &&
    new InjectedLists({
      store,
      logger,
      clock,
      region: injectorRegion ?? "",
      cloud: cloudThere,
      lists: lists.lists,
    });
  await garbage?.start();
  subnets.start();
  podNetworks.start();
  policies.start();
  sourceNats.start();
  addresses.start();
  lists.start();
  injected?.start();
  sinks.start();
  tunnels.start();
  pools.start();
  logger.info({}, "controller works");
  return {
    async stop() {
      await Promise.all([
        garbage?.stop(),
        addresses.close(),
        policies.stop(),
        sourceNats.stop(),
        tunnels.stop(),
        pools.stop(),
        subnets.stop(),
        podNetworks.stop(),
        injected?.stop(),
        lists.stop(),
        sinks.stop(),
      ]);
    },
  };
}
