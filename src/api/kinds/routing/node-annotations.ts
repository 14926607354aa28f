// Annotations of Node objects that routing reads and writes, under Calico's names.
import type { Node } from "../core.ts";

export const nodeAnnotations = {
  /** Written by people: the node is a route reflector of that cluster id, and out of the mesh. */
  reflectorClusterId: "projectcalico.org/RouteReflectorClusterID",
  /** Written by people: the node's own AS number. */
  asNumber: "projectcalico.org/ASNumber",
  /** Written by the agent: the address found, `ADDRESS/LENGTH`. */
  ipv4Address: "projectcalico.org/IPv4Address",
  ipv6Address: "projectcalico.org/IPv6Address",
  /** Written by the agent: its tunnel devices' addresses. */
  ipipTunnelAddress: "projectcalico.org/IPv4IPIPTunnelAddr",
  vxlanTunnelAddress: "projectcalico.org/IPv4VXLANTunnelAddr",
  vxlan6TunnelAddress: "projectcalico.org/IPv6VXLANTunnelAddr",
  vxlanTunnelMac: "projectcalico.org/VXLANTunnelMACAddr",
  /** Written by the agent: `on`, or `off: ` and why (plan/flow). */
  flowTables: "trunkline.dev/flow-tables",
} as const;

/** Returns an annotation of a node; an empty one counts as absent. */
export function nodeAnnotation(node: Node, name: keyof typeof nodeAnnotations): string | undefined {
  const value = node.metadata.annotations?.[nodeAnnotations[name]]?.trim();
  return value === "" ? undefined : value;
}
