// Tunnels between nodes: which a pool asks for, what each node must have for them, and between whom packets are
// encapsulated. A node writes down its tunnel's address once its device stands, so two nodes that both have written it
// can speak by it, and until then packets go as without a tunnel.
import { createHash } from "node:crypto";
import type { Node } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { nodeAnnotation } from "../../api/kinds/routing/node-annotations.ts";
import { leastMtu, mostMtu } from "../../api/kinds/routing/routing-configuration.ts";
import {
  cidrContains,
  cidrOf,
  type Family,
  formatIp,
  parseIp,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { isWhole } from "../../base/whole.ts";
import type { ClusterFacts } from "../facts.ts";
import { type AddressFacts, type NodeAddress, nodeAddress } from "./node-address.ts";

/** IP in IP (RFC 2003), VXLAN (RFC 7348) over IPv4 and over IPv6; each carries the family that it goes over. */
export type TunnelKind = "ipip" | "vxlan" | "vxlan6";

export interface TunnelType {
  readonly kind: TunnelKind;
  /** The device's name. */
  readonly device: string;
  readonly family: Family;
  /** Bytes that it adds to every packet. */
  readonly overhead: number;
  /** Where a node writes the device's address. */
  readonly annotation: "ipipTunnelAddress" | "vxlanTunnelAddress" | "vxlan6TunnelAddress";
}

export const tunnelTypes: readonly TunnelType[] = [
  { kind: "ipip", device: "tunl0", family: 4, overhead: 20, annotation: "ipipTunnelAddress" },
  { kind: "vxlan", device: "vxlan.tl", family: 4, overhead: 50, annotation: "vxlanTunnelAddress" },
  { kind: "vxlan6", device: "vxlan6.tl", family: 6, overhead: 70, annotation: "vxlan6TunnelAddress" },
];

export const VXLAN_ID = 4096;
export const VXLAN_PORT = 4789;
/** IANA's number of IP in IP. */
export const IPIP_PROTOCOL = 4;
/** The condition of a Node, and of a pool, that says whether its tunnels stand. */
export const TUNNEL_CONDITION = "TunnelReady";
export const LACKS_IPIP = "KernelLacksIPIP";

export interface PoolTunnel {
  readonly type: TunnelType;
  /** Only to nodes that are not in the node's own network. */
  readonly crossSubnet: boolean;
}

/** By object, which is replaced and never changed: plans ask of every block's pool. */
const tunnelsOfPools = new WeakMap<IPPool, PoolTunnel | "none">();

/** Returns the tunnel that an enabled pool asks for; undefined if it asks for none. */
export function tunnelOf(pool: IPPool): PoolTunnel | undefined {
  let found = tunnelsOfPools.get(pool);
  if (found === undefined) {
    found = readTunnel(pool) ?? "none";
    tunnelsOfPools.set(pool, found);
  }
  return found === "none" ? undefined : found;
}

function readTunnel(pool: IPPool): PoolTunnel | undefined {
  const { ipipMode = "Never", vxlanMode = "Never", disabled, cidr } = pool.spec;
  const family = tryParseCidr(cidr)?.family;
  if (disabled || family === undefined || (ipipMode === "Never" && vxlanMode === "Never")) return undefined;
  const ipip = ipipMode !== "Never";
  const type = tunnelTypes.find((one) => (one.kind === "ipip") === ipip && one.family === family);
  if (!type) return undefined;
  return { type, crossSubnet: (ipip ? ipipMode : vxlanMode) === "CrossSubnet" };
}

/** Returns whether a node's kernel is known to have no IP in IP. */
export function lacksIpip(node: Node): boolean {
  const condition = node.status?.conditions?.find(({ type }) => type === TUNNEL_CONDITION);
  return condition?.status === "False" && condition.reason === LACKS_IPIP;
}

/** Returns the nodes that keep an enabled pool from the IP in IP that it asks for: their kernels have none. By name. */
export function lackingIpip(facts: Pick<ClusterFacts, "nodes">, pool: IPPool | undefined): string[] {
  if (!pool || tunnelOf(pool)?.type.kind !== "ipip") return [];
  return [...facts.nodes.values()]
    .filter(lacksIpip)
    .map(({ metadata }) => metadata.name)
    .toSorted();
}

/** Returns the types of tunnel that any enabled pool asks for. */
export function wantedTunnels(facts: ClusterFacts): TunnelType[] {
  const asked = new Set([...facts.pools.values()].map((pool) => tunnelOf(pool)?.type));
  return tunnelTypes.filter((type) => asked.has(type));
}

/** A tunnel's end on another node. */
export interface TunnelEnd {
  readonly node: string;
  /** The node's own address, which encapsulated packets are sent to. */
  readonly outer: string;
  /** Its device's address. */
  readonly inner: string;
  /** Its device's hardware address; every node's is made from its name. */
  readonly mac: string;
}

/** Returns the other nodes' ends of tunnels of a type, by name. */
export function tunnelEnds(facts: ClusterFacts, self: string, type: TunnelType): TunnelEnd[] {
  return [...facts.nodes.values()]
    .flatMap((node) => {
      const { name } = node.metadata;
      const outer = outerAddress(facts, node, type.family);
      const inner = innerAddress(node, type);
      if (name === self || outer === undefined || inner === undefined) return [];
      return [{ node: name, outer, inner, mac: writtenMac(node) ?? tunnelMac(name) }];
    })
    .toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

/** What is none counts as absent: one node's annotation would keep all others from their tunnels. */
function writtenMac(node: Node): string | undefined {
  const text = nodeAnnotation(node, "vxlanTunnelMac")?.toLowerCase() ?? "";
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text) ? text : undefined;
}

const writtenAddresses = new WeakMap<NodeAddress, string>();

/** Returns the address that other nodes reach a node by, written as the kernel lists it. */
export function outerAddress(facts: AddressFacts, node: Node, family: Family): string | undefined {
  const found = nodeAddress(facts, node, family);
  if (found === undefined) return undefined;
  let written = writtenAddresses.get(found);
  if (written === undefined) {
    written = formatIp(parseIp(found.address));
    writtenAddresses.set(found, written);
  }
  return written;
}

/** Returns the address of a node's tunnel device, once the node has written it down. */
export function innerAddress(node: Node, type: TunnelType): string | undefined {
  const text = nodeAnnotation(node, type.annotation);
  const ip = text === undefined ? undefined : tryParseIp(text);
  return ip?.family === type.family ? formatIp(ip) : undefined;
}

/** How packets for a pool's addresses go from one node to another. */
export type Passage =
  | { readonly through: "direct" }
  /** A tunnel is asked for, and not used. */
  | { readonly through: "direct"; readonly because: "same-subnet" | "kernel" | "not-ready" }
  | { readonly through: "tunnel"; readonly type: TunnelType; readonly inner: string; readonly outer: string };

/** Returns how packets go from `from` to `to` for the addresses of a pool. */
export function passageOf(
  facts: AddressFacts,
  pool: IPPool | undefined,
  from: Node | undefined,
  to: Node,
): Passage {
  const tunnel = pool && tunnelOf(pool);
  if (!tunnel || !from) return { through: "direct" };
  const { type, crossSubnet } = tunnel;
  if (type.kind === "ipip" && (lacksIpip(from) || lacksIpip(to)))
    return { through: "direct", because: "kernel" };
  const outer = outerAddress(facts, to, type.family);
  if (outer === undefined) return { through: "direct", because: "not-ready" };
  if (crossSubnet && isNeighbour(facts, from, outer, type.family))
    return { through: "direct", because: "same-subnet" };
  const inner = innerAddress(to, type);
  if (inner === undefined || innerAddress(from, type) === undefined)
    return { through: "direct", because: "not-ready" };
  return { through: "tunnel", type, inner, outer };
}

/** A node whose prefix length nobody knows has no neighbours: encapsulated packets reach them all the same. */
function isNeighbour(facts: AddressFacts, from: Node, address: string, family: Family): boolean {
  const own = nodeAddress(facts, from, family);
  if (own?.length === undefined) return false;
  return cidrContains(cidrOf(parseIp(own.address), own.length), parseIp(address));
}

/** Returns the hardware address of a node's VXLAN devices: locally administered, and the same after every restart. */
export function tunnelMac(node: string): string {
  const digits = createHash("sha256").update(`vxlan ${node}`).digest("hex");
  const first = (Number.parseInt(digits.slice(0, 2), 16) & 0xfc) | 0x02;
  const rest = digits.slice(2, 12).match(/../g) ?? [];
  return [first.toString(16).padStart(2, "0"), ...rest].join(":");
}

/** MTUs in bytes; null for what the node does not have. */
export interface Mtus {
  readonly pod: number;
  readonly ipip: number | null;
  readonly vxlan: number | null;
  readonly vxlan6: number | null;
}

/**
 * Returns the MTUs of a node's tunnel devices and of its new pods: the least of its links less what the tunnels that are
 * in use add, unless the settings say another one.
 */
export function mtusOf(
  least: number,
  types: readonly TunnelType[],
  settings: { readonly pod?: number; readonly ipip?: number; readonly vxlan?: number } = {},
): Mtus {
  const of = (kind: TunnelKind, set: number | undefined): number | null => {
    const type = types.find((one) => one.kind === kind);
    return type ? (mtuOf(set) ?? least - type.overhead) : null;
  };
  const devices = {
    ipip: of("ipip", settings.ipip),
    vxlan: of("vxlan", settings.vxlan),
    vxlan6: of("vxlan6", settings.vxlan),
  };
  const smallest = Math.min(least, ...Object.values(devices).flatMap((value) => value ?? []));
  return { pod: mtuOf(settings.pod) ?? smallest, ...devices };
}

/** 0, and what no link could have, is found by itself. */
function mtuOf(set: number | undefined): number | undefined {
  return isWhole(set, leastMtu, mostMtu) ? set : undefined;
}
