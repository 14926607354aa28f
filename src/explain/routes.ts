// For each prefix of pods: who announces it, through what, and why; for the cluster or for one node's own table.
import { tryParseCidr, tryParseIp } from "../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../plan/facts.ts";
import { planRoutes, type RouteProblem } from "../plan/routing/plan-routes.ts";
import { reasonText } from "./way.ts";

export interface RouteRow {
  readonly prefix: string;
  /** The node whose pods the prefix holds. */
  readonly announcedBy: string;
  /** The address that others reach it by; null: no address of that family, so nobody has a route. */
  readonly via: string | null;
  /** How other nodes come to know it. */
  readonly through: "direct";
  readonly pool: string;
  readonly why: string;
}

export interface NodeRouteRow {
  readonly prefix: string;
  readonly type: "unicast" | "blackhole";
  readonly via: string | null;
  readonly announcedBy: string;
  readonly why: string;
}

/** Returns the prefixes that the cluster's nodes announce, in the order of their addresses. */
export function announcedPrefixes(facts: ClusterFacts): RouteRow[] {
  const rows: RouteRow[] = [];
  for (const block of facts.blocks.values()) {
    const { cidr, node, pool, state, loans = [] } = block.spec;
    const why = {
      pending: `claimed by ${node} and not confirmed yet: no node has a route`,
      confirmed: `${node} owns block ${block.metadata.name}`,
      releasing: `${node} owns block ${block.metadata.name} and is giving it back`,
    }[state];
    const via = state === "pending" ? null : addressOf(facts, node, cidr);
    rows.push({ prefix: cidr, announcedBy: node, via, through: "direct", pool, why });
    for (const loan of loans.filter((one) => one.returned !== true)) {
      const prefix = `${loan.address}/${loan.address.includes(":") ? 128 : 32}`;
      const reason = `${node} lent it to ${loan.node} out of block ${block.metadata.name}`;
      const next = addressOf(facts, loan.node, prefix);
      rows.push({ prefix, announcedBy: loan.node, via: next, through: "direct", pool, why: reason });
    }
  }
  return rows.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix));
}

/** Returns the routes that one node is planned to have, and the prefixes that it cannot route. */
export function nodeRoutes(
  facts: ClusterFacts,
  node: string,
): { readonly rows: readonly NodeRouteRow[]; readonly problems: readonly RouteProblem[] } {
  const plan = planRoutes(facts, node);
  const rows = plan.routes.map(
    ({ route, because }): NodeRouteRow => ({
      prefix: route.destination,
      type: route.type === "blackhole" ? "blackhole" : "unicast",
      via: route.via ?? null,
      announcedBy: "node" in because ? because.node : node,
      why:
        route.type === "blackhole"
          ? `${reasonText(because)}; its pods have routes of their own`
          : reasonText(because),
    }),
  );
  return { rows: rows.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix)), problems: plan.problems };
}

function addressOf(facts: ClusterFacts, node: string, prefix: string): string | null {
  const found = facts.nodes.get(node);
  const family = prefix.includes(":") ? 6 : 4;
  return (found ? nodeIps(found) : []).find((text) => tryParseIp(text)?.family === family) ?? null;
}

/** By family, address and length, as a person would sort them. */
function comparePrefixes(a: string, b: string): number {
  const x = tryParseCidr(a);
  const y = tryParseCidr(b);
  if (!x || !y) return a < b ? -1 : 1;
  return x.family - y.family || (x.base < y.base ? -1 : x.base > y.base ? 1 : x.length - y.length);
}
