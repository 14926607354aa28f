// Direct routes: what a node's main table must hold so that every pod range is reached by the address of the node that
// owns it. Longest prefix wins, so a block goes by its owner, and an address that the owner lent goes by the borrower.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import type { Node } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { DEFAULT_NAME, type RoutingConfiguration } from "../../api/kinds/routing/routing-configuration.ts";
import {
  type Cidr,
  cidrContains,
  cidrOf,
  familyBits,
  formatCidr,
  parseIp,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { MAIN_TABLE, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../facts.ts";
import { isHandedOver, routingProtocols } from "./bird/settings.ts";
import { type BlockRange, blockRange } from "./block-range.ts";
import { outerAddress, passageOf, type TunnelKind } from "./tunnels.ts";

/** The same for both families, and no other tool's default: our routes to ranges are told from pods' own routes by it. */
export const ROUTE_METRIC = 512;

export interface PlannedRoute {
  readonly route: Route;
  /** Why it is there: the object that decides it. */
  readonly because: RouteReason;
  /** BIRD makes this route; ours stands only until BIRD's is there. */
  readonly handedOver: boolean;
  /** The device of that name, whose packets go to `outer`, the other node's own address; else by the node's links. */
  readonly tunnel?: { readonly kind: TunnelKind; readonly device: string; readonly outer: string };
  /** The pool asks for a tunnel that is not used here. */
  readonly noTunnel?: "same-subnet" | "kernel" | "not-ready";
}

export type RouteReason =
  | { readonly kind: "own-block"; readonly block: string; readonly pool: string }
  | { readonly kind: "remote-block"; readonly block: string; readonly pool: string; readonly node: string }
  | { readonly kind: "loan"; readonly address: string; readonly block: string; readonly node: string };

/** A prefix that cannot be routed, and what stands in the way. */
export interface RouteProblem {
  readonly prefix: string;
  readonly node: string;
  readonly why: "node-unknown" | "node-without-address" | "bad-range";
}

export interface RoutingPlan {
  /** In ascending order of destination text, so that equal facts give equal plans. */
  readonly routes: readonly PlannedRoute[];
  readonly problems: readonly RouteProblem[];
}

/**
 * Plans the routes of one node.
 * - Each confirmed block of another node: by that node's address of the same family, or through a tunnel to it.
 * - Each own block: a blackhole, so that packets to free addresses end here and do not loop through the default route;
 *   live pods' own /32 routes are longer and win.
 * - Each lent address: by the borrower, everywhere but on the borrower, where the pod's own route is.
 */
export function planRoutes(facts: ClusterFacts, node: string): RoutingPlan {
  return planBlocks(facts, node, facts.blocks.values());
}

/**
 * Returns the route by which a node sends on what is for an address: the same as `routeFor` of all of its routes, without
 * making them.
 */
export function routeTo(facts: ClusterFacts, node: string, address: string): PlannedRoute | undefined {
  const ip = parseIp(address);
  const holding = facts.blocks.values().filter((block) => {
    const own = blockRange(block);
    return own !== undefined && cidrContains(own.range, ip);
  });
  return routeFor(planBlocks(facts, node, holding), address);
}

function planBlocks(facts: ClusterFacts, node: string, blocks: Iterable<AddressBlock>): RoutingPlan {
  const routes: PlannedRoute[] = [];
  const problems: RouteProblem[] = [];
  const handsOver = handOver(facts, node);
  for (const block of blocks) planOne(facts, node, block, handsOver, routes, problems);
  return {
    routes: routes.toSorted((a, b) => compare(a.route.destination, b.route.destination)),
    problems: problems.toSorted((a, b) => compare(a.prefix, b.prefix)),
  };
}

/**
 * Returns what one block (undefined: it is gone) adds to the plan of a node: for who knows that nothing but blocks has changed
 * since the whole was planned, which with thousands of blocks costs a thousand times as much.
 */
export function planRoutesOf(
  facts: ClusterFacts,
  node: string,
  block: AddressBlock | undefined,
): RoutingPlan {
  const routes: PlannedRoute[] = [];
  const problems: RouteProblem[] = [];
  if (block) planOne(facts, node, block, handOver(facts, node), routes, problems);
  return { routes, problems };
}

function planOne(
  facts: ClusterFacts,
  node: string,
  block: AddressBlock,
  handsOver: (pool: string) => boolean,
  routes: PlannedRoute[],
  problems: RouteProblem[],
): void {
  const add = (planned: Planned): void => {
    if (planned === undefined) return;
    if ("why" in planned) problems.push(planned);
    else routes.push({ ...planned, handedOver: planned.handedOver && handsOver(block.spec.pool) });
  };
  const own = blockRange(block);
  if (!own) {
    problems.push({ prefix: block.spec.cidr, node: block.spec.node, why: "bad-range" });
    return;
  }
  add(rememberedBlock(facts, node, block, own));
  if (block.spec.loans) for (const planned of planLoans(facts, node, block, own.range)) add(planned);
}

/** Returns which pools' routes are BIRD's on that node. What is no node (a router of the lab) has no BIRD of ours. */
function handOver(facts: ClusterFacts, node: string): (pool: string) => boolean {
  if (!facts.nodes.has(node) || routingProtocols(facts).size === 0) return () => false;
  const known = new Map<string, boolean>();
  return (pool) => {
    const found = known.get(pool) ?? isHandedOver(facts, facts.pools.get(pool), facts.nodes.get(node));
    known.set(pool, found);
    return found;
  };
}

type Planned = PlannedRoute | RouteProblem | undefined;

/** All that the route to a block hangs on. Objects are replaced when they change, never written to. */
interface Grounds {
  readonly from: string;
  readonly near: Node | undefined;
  readonly far: Node | undefined;
  readonly pool: IPPool | undefined;
  readonly settings: RoutingConfiguration | undefined;
}

/** The last answer for each block: with every change of any object the routes to thousands of others stay the same. */
const plannedBlocks = new WeakMap<AddressBlock, { readonly grounds: Grounds; readonly planned: Planned }>();

function rememberedBlock(facts: ClusterFacts, from: string, block: AddressBlock, own: BlockRange): Planned {
  const near = facts.nodes.get(from);
  const far = facts.nodes.get(block.spec.node);
  const pool = facts.pools.get(block.spec.pool);
  const settings = facts.routingConfigurations.get(DEFAULT_NAME);
  const before = plannedBlocks.get(block);
  if (
    before?.grounds.from === from &&
    before.grounds.near === near &&
    before.grounds.far === far &&
    before.grounds.pool === pool &&
    before.grounds.settings === settings
  )
    return before.planned;
  const planned = planBlock(facts, from, block, own);
  plannedBlocks.set(block, { grounds: { from, near, far, pool, settings }, planned });
  return planned;
}

function planBlock(
  facts: ClusterFacts,
  node: string,
  block: AddressBlock,
  { range, text }: BlockRange,
): Planned {
  const { pool, node: owner, state } = block.spec;
  const destination = text;
  if (owner === node) {
    return {
      route: { ...common(range, destination), type: "blackhole" },
      because: { kind: "own-block", block: block.metadata.name, pool },
      handedOver: false,
    };
  }
  // Until the owner has confirmed the claim it may still lose it.
  if (state === "pending") return undefined;
  const because = { kind: "remote-block", block: block.metadata.name, pool, node: owner } as const;
  return routed(facts, { from: node, range, destination, pool, because });
}

function planLoans(facts: ClusterFacts, node: string, block: AddressBlock, range: Cidr): Planned[] {
  return (block.spec.loans ?? []).map((loan) => {
    const ip = tryParseIp(loan.address);
    if (!ip || !cidrContains(range, ip)) return { prefix: loan.address, node: loan.node, why: "bad-range" };
    if (loan.node === node || loan.returned === true) return undefined;
    const because = {
      kind: "loan",
      address: loan.address,
      block: block.metadata.name,
      node: loan.node,
    } as const;
    const destination = formatCidr(cidrOf(ip, familyBits(ip.family)));
    return routed(facts, { from: node, range, destination, pool: block.spec.pool, because });
  });
}

function routed(
  facts: ClusterFacts,
  wanted: {
    readonly from: string;
    readonly range: Cidr;
    readonly destination: string;
    readonly pool: string;
    readonly because: Exclude<RouteReason, { kind: "own-block" }>;
  },
): PlannedRoute | RouteProblem {
  const { from, range, destination, pool, because } = wanted;
  const owner = because.node;
  const node = facts.nodes.get(owner);
  if (!node) return { prefix: destination, node: owner, why: "node-unknown" };
  const via = outerAddress(facts, node, range.family);
  if (via === undefined) return { prefix: destination, node: owner, why: "node-without-address" };
  const passage = passageOf(facts, facts.pools.get(pool), facts.nodes.get(from), node);
  const route = { ...common(range, destination), type: "unicast", via } as const;
  if (passage.through === "direct") {
    const noTunnel = "because" in passage ? { noTunnel: passage.because } : {};
    return { route, because, handedOver: true, ...noTunnel };
  }
  const { type, inner, outer } = passage;
  // IP in IP sends to the next hop itself; VXLAN to the hardware address that the neighbour entry has for it.
  return {
    route: { ...route, via: type.kind === "ipip" ? outer : inner, onlink: true },
    because,
    handedOver: false,
    tunnel: { kind: type.kind, device: type.device, outer },
  };
}

function common(range: Cidr, destination: string) {
  return {
    family: range.family,
    destination,
    protocol: ROUTE_PROTOCOL,
    table: MAIN_TABLE,
    metric: ROUTE_METRIC,
  } as const;
}

/** Returns the planned route that a packet to `address` takes, by longest prefix, if any is ours. */
export function routeFor(plan: RoutingPlan, address: string): PlannedRoute | undefined {
  const ip = parseIp(address);
  let best: { length: number; planned: PlannedRoute } | undefined;
  for (const planned of plan.routes) {
    const range = tryParseCidr(planned.route.destination);
    if (!range || !cidrContains(range, ip)) continue;
    if (!best || range.length > best.length) best = { length: range.length, planned };
  }
  return best?.planned;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
