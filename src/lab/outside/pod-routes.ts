// Stands in for the route table of a cloud's private network: routers of the lab that are neighbours of nodes get a
// route for every confirmed block of addresses. Real routers learn these from BIRD, which labs will run too.
import type { ClusterWatch } from "../../agent/cluster-watch.ts";
import { RoutingManager } from "../../agent/managers/routing-manager.ts";
import type { Logger } from "../../base/log.ts";
import type { NodeFacts } from "../../plan/facts.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import type { BuiltMember } from "../topology/build.ts";

/** Keeps one router's table equal to the blocks, until stopped. */
export function followPodRoutes(router: BuiltMember, cluster: ClusterWatch, logger: Logger) {
  const manager = new RoutingManager(router.kernel, logger);
  const self: NodeFacts = {
    node: router.plan.name,
    addresses: [],
    uplink: router.plan.interfaces[0]?.name ?? "",
    endpoints: new Map(),
  };
  const queue = new KeyedQueue({ work: () => manager.resync(cluster.facts, self), restMs: 10, logger });
  const unfollow = cluster.on((kind) => {
    if (kind === "addressblocks" || kind === "nodes") queue.add("routes");
  });
  queue.add("routes");
  return {
    async stop(): Promise<void> {
      unfollow();
      await queue.stop();
    },
  };
}
