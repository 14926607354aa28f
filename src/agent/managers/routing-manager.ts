// Keeps the node's routes to pod ranges equal to the plan. Ours are those of our protocol number in the main table that
// are not a pod's own route (those belong to the pod's wire); everything else in the table is somebody else's.
import type { Logger } from "../../base/log.ts";
import { type Kernel, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import { sameRoute } from "../../kernel/route.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { planRoutes, ROUTE_METRIC, type RouteProblem } from "../../plan/routing/plan-routes.ts";
import type { Changes, Manager } from "./manager.ts";

export class RoutingManager implements Manager {
  readonly name = "routing";
  readonly concerns = ["route", "address", "link"] as const;
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  #problems: readonly RouteProblem[] = [];
  #synced = false;

  constructor(kernel: Kernel, logger: Logger) {
    this.#kernel = kernel;
    this.#logger = logger;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    // Routes depend on blocks and on nodes' addresses only.
    if (this.#synced && !changes.has("addressblocks") && !changes.has("nodes")) return;
    await this.resync(facts, node);
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    this.#synced = false;
    const plan = planRoutes(facts, node.node);
    this.#problems = plan.problems;
    const wanted = new Map(plan.routes.map(({ route }) => [route.destination, route]));
    for (const present of this.#kernel.routes.list({ protocol: ROUTE_PROTOCOL })) {
      if (present.metric !== ROUTE_METRIC) continue;
      const want = wanted.get(present.destination);
      // Which link a next hop is on is the kernel's to find.
      const { linkIndex } = present;
      if (want && sameRoute(present, linkIndex === undefined ? want : { linkIndex, ...want }))
        wanted.delete(present.destination);
      else if (!want) this.#remove(present);
    }
    const failed = [...wanted.values()].filter((route) => !this.#put(route));
    this.#synced = failed.length === 0;
  }

  problems() {
    return this.#problems.map((problem) => ({
      code: `routing.${problem.why}`,
      message: `no route to ${problem.prefix}: ${worded(problem)}`,
      object: `node/${problem.node}`,
    }));
  }

  #put(route: Route): boolean {
    try {
      this.#kernel.routes.replace(route);
      return true;
    } catch (error) {
      // One bad route (a next hop not on any link, say) must not keep the others out.
      this.#logger.warn(
        { destination: route.destination, via: route.via, error: String(error) },
        "route refused",
      );
      return false;
    }
  }

  #remove(route: Route): void {
    this.#logger.info({ destination: route.destination }, "route removed");
    this.#kernel.routes.remove(route);
  }
}

function worded(problem: RouteProblem): string {
  switch (problem.why) {
    case "node-unknown":
      return `node ${problem.node} is not known`;
    case "node-without-address":
      return `node ${problem.node} has no InternalIP of that family`;
    case "bad-range":
      return "that is not a range";
  }
}
