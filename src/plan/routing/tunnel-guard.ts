// Who may deliver tunnel packets to a node, and that pods send none to nodes: rules of the node's table, while any tunnel
// is in use. A pod's packet that a node took for another node's would come out of the tunnel with any source at all.
// What nodes send each other through tunnels is not tracked on the outside: its ports differ for each direction, so that no
// entry was ever answered and every packet went through the rules for new connections. What is inside is tracked as ever.
import type { Family } from "../../base/ip.ts";
import type { NftTable } from "../../kernel/nft/document.ts";
import { fromPod, notFromPod } from "../policy/nft/guard.ts";
import { IPIP_PROTOCOL, type TunnelType, VXLAN_PORT } from "./tunnels.ts";

/** Before policies (-20): a policy must not be asked about what is not to be there. */
const PRIORITY = -30;
/** Where netfilter's table "raw" is: after fragments are put together (-400), and before connections are tracked (-200). */
const RAW_PRIORITY = -300;
const CHAINS = ["tunnel-untracked-in", "tunnel-untracked-out", "tunnel-input", "tunnel-forward"] as const;
const addressType = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;
const header = { 4: "ip", 6: "ip6" } as const;

export interface TunnelNodes {
  /** Addresses of the other nodes. */
  readonly others: Readonly<Record<Family, readonly string[]>>;
  /** Those and the node's own. */
  readonly all: Readonly<Record<Family, readonly string[]>>;
}

/** Makes the table's `tunnel-…` objects what is wanted; without tunnels there are none. Nothing is written yet. */
export function writeTunnelGuard(
  table: NftTable,
  types: readonly TunnelType[],
  { others, all }: TunnelNodes,
): void {
  const families = ([4, 6] as const).filter((family) => types.some((type) => type.family === family));
  for (const chain of CHAINS) if (types.length === 0) table.removeChain(chain);
  if (types.length > 0) {
    // A chain may lead to sets only once they are there.
    for (const family of families) {
      fill(table, `tunnel-from${family}`, family, others[family]);
      fill(table, `tunnel-nodes${family}`, family, all[family]);
    }
    table.setChain("tunnel-untracked-in", {
      base: { type: "filter", hook: "prerouting", priority: RAW_PRIORITY },
      // Pods may have tunnels of their own to elsewhere, which may need a translated source.
      rules: types.map((type) => `${match(type)} ${notFromPod} ${known(type, "saddr")} notrack`),
    });
    table.setChain("tunnel-untracked-out", {
      base: { type: "filter", hook: "output", priority: RAW_PRIORITY },
      rules: types.map((type) => `${match(type)} ${known(type, "daddr")} notrack`),
    });
    table.setChain("tunnel-input", {
      base: { type: "filter", hook: "input", priority: PRIORITY },
      rules: types.map(
        (type) => `${match(type)} ${header[type.family]} saddr != @tunnel-from${type.family} drop`,
      ),
    });
    table.setChain("tunnel-forward", {
      base: { type: "filter", hook: "forward", priority: PRIORITY },
      rules: types.map(
        (type) => `${match(type)} ${fromPod} ${header[type.family]} daddr @tunnel-nodes${type.family} drop`,
      ),
    });
  }
  for (const family of [4, 6] as const) {
    if (families.includes(family)) continue;
    table.removeSet(`tunnel-from${family}`);
    table.removeSet(`tunnel-nodes${family}`);
  }
}

function match({ kind, family }: TunnelType): string {
  const protocol = kind === "ipip" ? `meta l4proto ${IPIP_PROTOCOL}` : `udp dport ${VXLAN_PORT}`;
  return `meta nfproto ipv${family} ${protocol}`;
}

function known({ family }: TunnelType, side: "saddr" | "daddr"): string {
  return `${header[family]} ${side} @tunnel-from${family}`;
}

function fill(table: NftTable, name: string, family: Family, addresses: readonly string[]): void {
  table.setSet(name, { key: [addressType[family]] });
  const wanted = new Set(addresses);
  for (const key of table.elements(name).keys()) if (!wanted.has(key)) table.removeElement(name, key);
  for (const address of addresses) table.setElement(name, address);
}
