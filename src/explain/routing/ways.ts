// How the nodes of a cluster send to one node's block: a pool with CrossSubnet goes both ways, and a tunnel is used only
// between nodes that have it.
import type { ClusterFacts } from "../../plan/facts.ts";
import { isHandedOver, routingProtocols } from "../../plan/routing/bird/settings.ts";
import { passageOf, type TunnelKind, tunnelOf } from "../../plan/routing/tunnels.ts";

export type Through = "direct" | "bgp" | "rip" | "ipip" | "vxlan";

export interface Ways {
  readonly through: Through;
  /** Names of nodes that send so. */
  readonly from: readonly string[];
}

/** So many nodes are named; of more it is said how many they are. */
const NAMED = 5;
/** Beyond this many nodes nobody reads a list of ways for each of their blocks. */
const MOST_NODES = 500;

/**
 * Returns how other nodes send to a node's addresses of a pool, by way; empty where the pool asks for no tunnel, where
 * nobody else is there, and in clusters of more than MOST_NODES nodes.
 */
export function waysTo(facts: ClusterFacts, pool: string, owner: string): readonly Ways[] {
  const found = facts.pools.get(pool);
  const to = facts.nodes.get(owner);
  if (!found || !to || !tunnelOf(found) || facts.nodes.size > MOST_NODES) return [];
  const ways = new Map<Through, string[]>();
  for (const [name, from] of facts.nodes) {
    if (name === owner) continue;
    const passage = passageOf(facts, found, from, to);
    const way = passage.through === "tunnel" ? throughTunnel(passage.type.kind) : without(facts, pool, name);
    ways.set(way, [...(ways.get(way) ?? []), name]);
  }
  return [...ways].map(([through, from]) => ({ through, from: from.toSorted() }));
}

/** What carries packets where no tunnel does: BIRD's routes on nodes that cannot have it, else the agent's own. */
function without(facts: ClusterFacts, pool: string, node: string): Through {
  if (!isHandedOver(facts, facts.pools.get(pool), facts.nodes.get(node))) return "direct";
  return routingProtocols(facts).has("bgp") ? "bgp" : "rip";
}

export function throughTunnel(kind: TunnelKind): Through {
  return kind === "ipip" ? "ipip" : "vxlan";
}

/** Returns the ways in words: `vxlan from node3, node4; direct from node2`. */
export function wordedWays(ways: readonly Ways[]): string {
  return ways
    .map(({ through, from }) => {
      const names = from.slice(0, NAMED).join(", ");
      const more = from.length > NAMED ? ` and ${from.length - NAMED} more` : "";
      return `${through} from ${names}${more}`;
    })
    .join("; ");
}
