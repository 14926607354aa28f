// Which address of a node routes and sessions use: the one that its agent has found and written down, else its InternalIP.
import type { Node } from "../../api/kinds/core.ts";
import { nodeAnnotation } from "../../api/kinds/routing/node-annotations.ts";
import { DEFAULT_NAME } from "../../api/kinds/routing/routing-configuration.ts";
import { nodeNetworkAnnotations } from "../../api/pools.ts";
import { type Family, familyBits, formatIp, tryParseIp } from "../../base/ip.ts";
import { type ClusterFacts, internalIps } from "../facts.ts";

/** The condition of a Node that says that its address cannot be found, or is another one's too. */
export const ADDRESS_CONDITION = "NodeAddressReady";

export interface NodeAddress {
  readonly address: string;
  /** Prefix length of its network, where anybody knows it. */
  readonly length: number | undefined;
}

/** What says how addresses are found. */
export type AddressFacts = Pick<ClusterFacts, "routingConfigurations">;

/** Returns how nodes find their address of a family, as RoutingConfiguration says; undefined where it does not. */
export function saidMethod(facts: AddressFacts, family: Family): string | undefined {
  return facts.routingConfigurations.get(DEFAULT_NAME)?.spec.nodeAddress?.[`ipv${family}`];
}

/** By object, which is replaced and never changed: plans ask for the addresses of thousands of nodes again and again. */
const known = new WeakMap<Node, Map<Family, NodeAddress | undefined>>();

/** Returns a node's address of that family, or undefined if it has none, or is to use none. */
export function nodeAddress(facts: AddressFacts, node: Node, family: Family): NodeAddress | undefined {
  if (saidMethod(facts, family) === "none") return undefined;
  const own = known.get(node) ?? new Map<Family, NodeAddress | undefined>();
  known.set(node, own);
  if (!own.has(family)) own.set(family, readAddress(node, family));
  return own.get(family);
}

function readAddress(node: Node, family: Family): NodeAddress | undefined {
  const found = withLength(nodeAnnotation(node, family === 4 ? "ipv4Address" : "ipv6Address") ?? "");
  if (found && tryParseIp(found.address)?.family === family) return found;
  const address = internalIps(node).find((text) => tryParseIp(text)?.family === family);
  if (address === undefined) return undefined;
  return networksOf(node).find((one) => one.address === address) ?? { address, length: undefined };
}

/** Returns the addresses of a family that several nodes use, with their names: sessions and routes lead to any of them. */
export function sharedAddresses(
  facts: AddressFacts & Pick<ClusterFacts, "nodes">,
  family: Family,
): ReadonlyMap<string, readonly string[]> {
  const users = Map.groupBy(facts.nodes.values(), (node) => nodeAddress(facts, node, family)?.address ?? "");
  const shared = new Map<string, readonly string[]>();
  for (const [address, nodes] of users)
    if (address !== "" && nodes.length > 1)
      shared.set(address, nodes.map(({ metadata }) => metadata.name).toSorted());
  return shared;
}

/** Returns all addresses of a node whose networks somebody wrote down. */
export function networksOf(node: Node): NodeAddress[] {
  return nodeNetworkAnnotations
    .flatMap((key) => node.metadata.annotations?.[key]?.split(",") ?? [])
    .flatMap((text) => withLength(text.trim()) ?? []);
}

function withLength(text: string): NodeAddress | undefined {
  const [address = "", digits] = text.split("/");
  const ip = tryParseIp(address);
  if (!ip) return undefined;
  const length = digits !== undefined && /^\d{1,3}$/.test(digits) ? Number(digits) : undefined;
  const fits = length !== undefined && length <= familyBits(ip.family);
  return { address: formatIp(ip), length: fits ? length : undefined };
}
