// Keeps the node's routes to pod ranges equal to the plan. Ours are those of our protocol number in the main table that
// are not a pod's own route (those belong to the pod's wire); everything else in the table is somebody else's.
import { equalJson } from "../../api/equal.ts";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { BIRD_PROTOCOL } from "../../bird/config/types.ts";
import { type Kernel, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import { sameRoute } from "../../kernel/route.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import {
  type PlannedRoute,
  planRoutes,
  planRoutesOf,
  ROUTE_METRIC,
  type RouteProblem,
  type RoutingPlan,
} from "../../plan/routing/plan-routes.ts";
import type { Changes, Manager } from "./manager.ts";

const BLOCKS = "addressblocks";
const NODES = "nodes";
const concernedKinds = [BLOCKS, NODES, "ippools", "bgpconfigurations", "bgppeers", "routingconfigurations"];
/** How often it is seen whether BIRD has made its routes. */
const HAND_OVER_MS = 250;

export class RoutingManager implements Manager {
  readonly name = "routing";
  readonly concerns = ["route", "address", "link"] as const;
  readonly kinds = concernedKinds;
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  #problems: readonly RouteProblem[] = [];
  /** What each block has come to, by key. */
  #planned = new Map<string, readonly PlannedRoute[]>();
  #synced = false;
  /** Waits for BIRD's routes in the place of ours. */
  #timer: NodeJS.Timeout | undefined;
  /** Routes that are BIRD's to make are still ours in the kernel. */
  #waiting = false;

  constructor(kernel: Kernel, logger: Logger) {
    this.#kernel = kernel;
    this.#logger = logger;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    const kinds = concernedKinds.filter((kind) => changes.has(kind));
    if (this.#synced && kinds.length === 0) return;
    const keys = kinds.every((kind) => kind === BLOCKS || kind === NODES)
      ? blocksOf(facts, node.node, changes)
      : "all";
    if (this.#synced && keys !== "all" && this.#follow(facts, node, keys)) return;
    this.#make(facts, node);
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    this.#make(facts, node);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Puts what those blocks add to the plan into the kernel, without a look at all that is there: nothing else has changed.
   * Returns whether that is all; not where a route of ours may have to go, or something stands in the way.
   */
  #follow(facts: ClusterFacts, { node }: NodeFacts, keys: ReadonlySet<string>): boolean {
    if (this.#problems.length > 0 || this.#waiting) return false;
    const found = [...keys].map((key) => ({ key, plan: planRoutesOf(facts, node, facts.blocks.get(key)) }));
    for (const { key, plan } of found) {
      const after = new Map(plan.routes.map((one) => [one.route.destination, one]));
      const stays = (before: PlannedRoute) =>
        before.handedOver || after.get(before.route.destination)?.handedOver === false;
      if (plan.problems.length > 0 || !(this.#planned.get(key) ?? []).every(stays)) return false;
    }
    for (const { key, plan } of found) {
      const before = this.#planned.get(key) ?? [];
      const fresh = plan.routes.filter(
        (one) => !one.handedOver && !before.some((old) => equalJson(old, one)),
      );
      for (const [, route] of fresh.flatMap((one) => this.#onItsDevice(one)))
        if (!this.#put(route)) this.#synced = false;
      if (plan.routes.length > 0) this.#planned.set(key, plan.routes);
      else this.#planned.delete(key);
    }
    return true;
  }

  #make(facts: ClusterFacts, node: NodeFacts): void {
    clearTimeout(this.#timer);
    this.#synced = false;
    const plan = planRoutes(facts, node.node);
    this.#problems = plan.problems;
    this.#planned = Map.groupBy(plan.routes, ({ because }) => because.block);
    const wanted = new Map(
      plan.routes.filter((one) => !one.handedOver).flatMap((planned) => this.#onItsDevice(planned)),
    );
    this.#waiting = this.#handOver(plan, wanted);
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
    if (this.#waiting) this.#lookLater(facts, node);
  }

  #lookLater(facts: ClusterFacts, node: NodeFacts): void {
    this.#timer = setTimeout(() => {
      try {
        this.#make(facts, node);
      } catch (error) {
        // Nobody calls us here who would hear of it, and the next look comes soon.
        this.#logger.warn({ error: textOf(error) }, "routes could not be looked at");
        this.#lookLater(facts, node);
      }
    }, HAND_OVER_MS);
    this.#timer.unref();
  }

  /**
   * Adds to what is wanted the routes of ours that are BIRD's to make, are here, and BIRD has not made yet: the old way
   * stays until the new one stands. Returns whether there are any.
   */
  #handOver(plan: RoutingPlan, wanted: Map<string, Route>): boolean {
    const handed = plan.routes.filter((one) => one.handedOver);
    if (handed.length === 0) return false;
    const ours = this.#kernel.routes.list({ protocol: ROUTE_PROTOCOL });
    const here = new Set(
      ours.filter(({ metric }) => metric === ROUTE_METRIC).map(({ destination }) => destination),
    );
    const left = handed.filter(({ route }) => here.has(route.destination));
    if (left.length === 0) return false;
    const made = new Set(
      this.#kernel.routes.list({ protocol: BIRD_PROTOCOL }).map(({ destination }) => destination),
    );
    const kept = left.filter(({ route }) => !made.has(route.destination));
    for (const { route } of kept) wanted.set(route.destination, route);
    return kept.length > 0;
  }

  problems() {
    return this.#problems.map((problem) => ({
      code: `routing.${problem.why}`,
      message: `no route to ${problem.prefix}: ${worded(problem)}`,
      object: `node/${problem.node}`,
    }));
  }

  /** A tunnel's device may be on its way: its event, or the next round, brings us here again. */
  #onItsDevice({ route, tunnel }: PlannedRoute): [string, Route][] {
    if (!tunnel) return [[route.destination, route]];
    const link = this.#kernel.links.get(tunnel.device);
    return link?.up ? [[route.destination, { ...route, linkIndex: link.index }]] : [];
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

/** Returns the blocks on which changes of blocks and of other nodes bear, by key; "all" where that is not told. */
function blocksOf(facts: ClusterFacts, node: string, changes: Changes): ReadonlySet<string> | "all" {
  const none: ReadonlySet<string> = new Set();
  const [blocks = none, nodes = none] = [changes.get(BLOCKS), changes.get(NODES)];
  // How a node reaches all the others hangs on what it is itself.
  if (blocks === "all" || nodes === "all" || nodes.has(node)) return "all";
  const keys = new Set(blocks);
  if (nodes.size === 0) return keys;
  for (const [key, { spec }] of facts.blocks)
    if (nodes.has(spec.node) || spec.loans?.some((loan) => nodes.has(loan.node))) keys.add(key);
  return keys;
}

function worded(problem: RouteProblem): string {
  switch (problem.why) {
    case "node-unknown":
      return `node ${problem.node} is not known`;
    case "node-without-address":
      return `node ${problem.node} has no address of that family`;
    case "bad-range":
      return "that is not a range";
  }
}
