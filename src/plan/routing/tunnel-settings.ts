// What pools and settings say about a node's tunnels beside which there are. Pure.
import type { PoolRange } from "../../ipam/types.ts";
import { poolRange, whyClosed, whyNotOffered } from "../addressing/pools.ts";
import type { ClusterFacts } from "../facts.ts";
import { routingSettings } from "./bird/settings.ts";
import { lacksIpip, type Mtus, mtusOf, type TunnelType, tunnelOf, wantedTunnels } from "./tunnels.ts";

/** Returns the pools that a node's tunnel device may have its address from. */
export function poolsForTunnel(facts: ClusterFacts, node: string, type: TunnelType): PoolRange[] {
  const labels = facts.nodes.get(node)?.metadata.labels;
  const self = { name: node, ...(labels && { labels }) };
  return [...facts.pools.values()]
    .filter((pool) => tunnelOf(pool)?.type === type)
    .filter((pool) => !whyClosed(pool, "Tunnel") && !whyNotOffered(pool, self))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((pool) => {
      const range = poolRange(pool);
      return typeof range === "string" ? [] : [range];
    });
}

/** Returns the tunnels that a node has use for: those asked for, without what its kernel lacks. */
export function usedTunnels(facts: ClusterFacts, node: string): TunnelType[] {
  const self = facts.nodes.get(node);
  return wantedTunnels(facts).filter(({ kind }) => kind !== "ipip" || !self || !lacksIpip(self));
}

/** Returns MTUs of a node whose links' least MTU is `least`, in bytes. */
export function tunnelMtus(facts: ClusterFacts, least: number, types: readonly TunnelType[]): Mtus {
  return mtusOf(least, types, routingSettings(facts).mtu);
}

/** Names that systemd, udev and kernels give to cards, as Calico's default pattern has them. */
const CARD = /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)$/;

/** Returns whether a link is a card by its name. */
export function isCard(name: string): boolean {
  return CARD.test(name);
}
