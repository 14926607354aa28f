// Which address of a node routes and sessions use: the one that its agent has found and written down, else its InternalIP.
import type { Node } from "../../api/kinds/core.ts";
import { nodeAnnotation } from "../../api/kinds/routing/node-annotations.ts";
import { nodeNetworkAnnotations } from "../../api/pools.ts";
import { type Family, familyBits, formatIp, tryParseIp } from "../../base/ip.ts";
import { nodeIps } from "../facts.ts";

export interface NodeAddress {
  readonly address: string;
  /** Prefix length of its network, where anybody knows it. */
  readonly length: number | undefined;
}

/** Returns a node's address of that family, or undefined if it has none. */
export function nodeAddress(node: Node, family: Family): NodeAddress | undefined {
  const found = withLength(nodeAnnotation(node, family === 4 ? "ipv4Address" : "ipv6Address") ?? "");
  if (found && tryParseIp(found.address)?.family === family) return found;
  const address = nodeIps(node).find((text) => tryParseIp(text)?.family === family);
  if (address === undefined) return undefined;
  return networksOf(node).find((one) => one.address === address) ?? { address, length: undefined };
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
