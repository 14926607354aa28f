// Who may deliver tunnel packets to a node, and that pods send none to nodes: rules of the node's table, while any tunnel
// is in use. A pod's packet that a node took for another node's would come out of the tunnel with any source at all.
// What nodes send each other through tunnels is not tracked on the outside: its ports differ for each direction, so that no
// entry was ever answered and every packet went through the rules for new connections. What is inside is tracked as ever.
//
// Packets of tunnels are as many as those of pods, and a chain that the kernel calls is felt by each of them (half a per cent
// of a packet there and back, whatever it asks). So it is one chain that knows nodes' packets, before connections are tracked, and refuses
// others' that are for the node itself. What is sent elsewhere and has its target translated to the node, or to another one, is
// tracked, and asked for with a connection's first packet alone, after every translation of its target and before any of its
// source. What was open before is for the agent to cut (`throughGuard`).
import { type Family, formatIp, tryParseIp } from "../../base/ip.ts";
import type { ConntrackFlow } from "../../kernel/kernel.ts";
import type { NftTable } from "../../kernel/nft/document.ts";
import { type ClusterFacts, nodeIps } from "../facts.ts";
import { notFromPod } from "../policy/nft/guard.ts";
import { networksOf, nodeAddress } from "./node-address.ts";
import { IPIP_PROTOCOL, type TunnelType, VXLAN_PORT } from "./tunnels.ts";

/** As early as a chain of this type may be (later than -200). */
const NAT_PRIORITY = -190;
/** Where netfilter's table "raw" is: after fragments are put together (-400), and before connections are tracked (-200). */
const RAW_PRIORITY = -300;
const CHAINS = ["tunnel-arriving", "tunnel-untracked-out", "tunnel-translated", "tunnel-leaving"] as const;
const UDP_PROTOCOL = 17;
/** Where `tunnel-arriving` leads to, and with which packets. All others pay for the question, so a port is asked for first. */
const KINDS = {
  "tunnel-arriving-ipip": `meta l4proto ${IPIP_PROTOCOL}`,
  "tunnel-arriving-vxlan": `@th,16,16 ${VXLAN_PORT} meta l4proto ${UDP_PROTOCOL}`,
} as const;
const addressType = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;
const header = { 4: "ip", 6: "ip6" } as const;

export interface TunnelNodes {
  /** Addresses of the other nodes. */
  readonly others: Readonly<Record<Family, readonly string[]>>;
  /** Those and the node's own. */
  readonly all: Readonly<Record<Family, readonly string[]>>;
}

/** Returns the addresses that tunnels may end at, as `node` sees them: all that a node says are its own, and what it finds. */
export function tunnelNodes(facts: ClusterFacts, node: string): TunnelNodes {
  const all = { 4: new Set<string>(), 6: new Set<string>() };
  const others = { 4: new Set<string>(), 6: new Set<string>() };
  for (const one of facts.nodes.values()) {
    const detected = ([4, 6] as const).flatMap((family) => nodeAddress(facts, one, family)?.address ?? []);
    const own = [...nodeIps(one), ...networksOf(one).map(({ address }) => address), ...detected];
    for (const text of own) {
      const ip = tryParseIp(text);
      if (!ip) continue;
      // As kernels write it: a Node object's IPv6 address may be written otherwise.
      const address = formatIp(ip);
      all[ip.family].add(address);
      if (one.metadata.name !== node) others[ip.family].add(address);
    }
  }
  const lists = (sets: typeof all) => ({ 4: [...sets[4]], 6: [...sets[6]] });
  return { all: lists(all), others: lists(others) };
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
    const kinds = Object.entries(KINDS).flatMap(([chain, packets]) => {
      const of = types.filter((type) => arrivingAt(type) === chain);
      return of.length === 0 ? [] : [{ chain, packets, of }];
    });
    for (const { chain, of } of kinds) table.setChain(chain, { rules: of.flatMap(arriving) });
    table.setChain("tunnel-arriving", {
      base: { type: "filter", hook: "prerouting", priority: RAW_PRIORITY },
      rules: kinds.map(({ chain, packets }) => `${packets} goto ${chain}`),
    });
    table.setChain("tunnel-untracked-out", {
      base: { type: "filter", hook: "output", priority: RAW_PRIORITY },
      rules: types.map((type) => `${match(type)} ${known(type, "daddr")} notrack`),
    });
    table.setChain("tunnel-translated", {
      base: { type: "nat", hook: "input", priority: NAT_PRIORITY },
      rules: types.map(
        (type) => `${match(type)} ${header[type.family]} saddr != @tunnel-from${type.family} drop`,
      ),
    });
    table.setChain("tunnel-leaving", {
      base: { type: "nat", hook: "postrouting", priority: NAT_PRIORITY },
      // What nodes send each other is not tracked, and so not asked. Kernels before Linux 5.7 do not know here by which link a
      // packet came: there nobody may.
      rules: types.flatMap((type) => {
        const toNode = `${match(type)} ${header[type.family]} daddr @tunnel-nodes${type.family}`;
        return [`${toNode} ${notFromPod} accept`, `${toNode} drop`];
      }),
    });
  }
  for (const chain of Object.keys(KINDS))
    if (!types.some((type) => arrivingAt(type) === chain)) table.removeChain(chain);
  for (const family of [4, 6] as const) {
    if (families.includes(family)) continue;
    table.removeSet(`tunnel-from${family}`);
    table.removeSet(`tunnel-nodes${family}`);
  }
}

/**
 * Returns whether a connection would go on to send to a node's end of a tunnel although rules for new ones refuse it now.
 * @param fresh addresses of nodes, or all of them where a type is new
 */
export function throughGuard(
  flow: ConntrackFlow,
  types: readonly TunnelType[],
  fresh: ReadonlySet<string>,
): boolean {
  // Where it goes in the end is where answers would come from.
  const { source, sourcePort } = flow.reply;
  if (!fresh.has(source)) return false;
  const isVxlan = flow.protocol === UDP_PROTOCOL && sourcePort === VXLAN_PORT;
  return types.some(
    ({ kind, family }) =>
      flow.family === family && (kind === "ipip" ? flow.protocol === IPIP_PROTOCOL : isVxlan),
  );
}

function arrivingAt({ kind }: TunnelType): keyof typeof KINDS {
  return kind === "ipip" ? "tunnel-arriving-ipip" : "tunnel-arriving-vxlan";
}

/** Pods may have tunnels of their own to elsewhere, which may need a translated source. */
function arriving(type: TunnelType): string[] {
  const family = `meta nfproto ipv${type.family}`;
  return [
    `${family} ${known(type, "saddr")} ${notFromPod} notrack accept`,
    // What listens at a port hears also what is sent to many. Older kernels have ff00::/8 as a unicast route.
    ...(type.family === 6 ? ["ip6 daddr ff00::/8 drop"] : []),
    `${family} fib daddr type { local, broadcast, anycast, multicast } drop`,
  ];
}

function match({ kind, family }: TunnelType): string {
  const protocol = kind === "ipip" ? `meta l4proto ${IPIP_PROTOCOL}` : `udp dport ${VXLAN_PORT}`;
  return `meta nfproto ipv${family} ${protocol}`;
}

function known({ family }: TunnelType, side: "saddr" | "daddr"): string {
  return `${header[family]} ${side} @tunnel-from${family}`;
}

function fill(table: NftTable, name: string, family: Family, addresses: readonly string[]): void {
  table.setSet(name, { key: [addressType[family]], size: roomFor(addresses.length) });
  const wanted = new Set(addresses);
  for (const key of table.elements(name).keys()) if (!wanted.has(key)) table.removeElement(name, key);
  for (const address of addresses) table.setElement(name, address);
}

/**
 * Returns how many addresses a set is to have room for. A set that says so is looked up in half the time of one that grows by
 * itself: a fifth of what a tunnel costs. A transaction may add as many as it removes.
 */
function roomFor(count: number): number {
  let room = 256;
  while (room < 4 * count) room *= 4;
  return room;
}
