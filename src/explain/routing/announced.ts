// What the cluster's nodes announce, as planned.
import { hostRange } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { isHandedOver, routingProtocols } from "../../plan/routing/bird/settings.ts";
import { nodeAddress } from "../../plan/routing/node-address.ts";
import { lackingIpip, lacksIpip, tunnelOf } from "../../plan/routing/tunnels.ts";
import type { ClusterRow } from "./types.ts";
import { type Through, throughTunnel, type Ways, waysTo, wordedWays } from "./ways.ts";

/** Returns a row for each block, and for each address that is lent. */
export function announced(facts: ClusterFacts): ClusterRow[] {
  const rows: ClusterRow[] = [];
  // The same for all blocks of a pool, and of a node's: both go through all nodes.
  const lackingOf = remembered((pool) => lackingIpip(facts, facts.pools.get(pool)));
  const throughOfPool = remembered((pool) => throughOf(facts, pool));
  const waysOf = remembered((pool) => remembered((owner) => waysTo(facts, pool, owner)));
  const howSent = (pool: string, owner: string, why: string) =>
    sentBy(waysOf(pool)(owner), () => throughOfPool(pool), why);
  for (const block of facts.blocks.values()) {
    const { cidr, node, pool, state, loans = [] } = block.spec;
    const lacking = lackingOf(pool);
    const noTunnel =
      lacking.length === 0
        ? ""
        : `; without the tunnel that its pool asks for where kernels have no IP in IP: ${lacking.join(", ")}`;
    const why = {
      pending: `claimed by ${node} and not confirmed yet: no node has a route`,
      confirmed: `${node} owns block ${block.metadata.name}${noTunnel}`,
      releasing: `${node} owns block ${block.metadata.name} and is giving it back${noTunnel}`,
    }[state];
    const common = { peer: null, pool, accepted: true, outside: false };
    const isGone = !facts.nodes.has(node);
    const gone = `block ${block.metadata.name} was of ${node}, which does not exist any more: no node has a route`;
    const via = state === "pending" ? null : addressOf(facts, node, cidr);
    rows.push({
      ...common,
      ...howSent(pool, node, isGone ? gone : why),
      prefix: cidr,
      announcedBy: node,
      via,
    });
    for (const loan of loans.filter((one) => one.returned !== true)) {
      const prefix = hostRange(loan.address);
      const reason = `${node} lent it to ${loan.node} out of block ${block.metadata.name}`;
      rows.push({
        ...common,
        ...howSent(pool, loan.node, reason),
        prefix,
        announcedBy: loan.node,
        via: addressOf(facts, loan.node, prefix),
      });
    }
  }
  return rows;
}

/** What the other nodes do for a pool with a tunnel, which a node here and there may not use. */
function sentBy(
  ways: readonly Ways[],
  usual: () => Through,
  why: string,
): Pick<ClusterRow, "through" | "why" | "ways"> {
  const [first, ...others] = ways;
  if (!first) return { through: usual(), why };
  if (others.length === 0) return { through: first.through, why };
  return { through: usual(), why: `${why}; ${wordedWays(ways)}`, ways };
}

function remembered<T>(make: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const value = make(name);
    known.set(name, value);
    return value;
  };
}

function throughOf(facts: ClusterFacts, pool: string): Through {
  const found = facts.pools.get(pool);
  const kind = found && tunnelOf(found)?.type.kind;
  const lacking = kind === "ipip" && [...facts.nodes.values()].some(lacksIpip);
  if (kind !== undefined && !lacking) return throughTunnel(kind);
  const [any] = [...facts.nodes.values()].filter(lacksIpip);
  if (!isHandedOver(facts, found, lacking ? any : undefined)) return "direct";
  return routingProtocols(facts).has("bgp") ? "bgp" : "rip";
}

function addressOf(facts: ClusterFacts, name: string, prefix: string): string | null {
  const node = facts.nodes.get(name);
  return (node && nodeAddress(facts, node, prefix.includes(":") ? 6 : 4)?.address) ?? null;
}
