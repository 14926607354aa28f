// What becomes of packets for the port at which nodes' tunnels end, by the rules of plan/routing/tunnel-guard.ts.
import type { Family } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Hook } from "../../plan/foreign/index.ts";
import { tunnelNodes } from "../../plan/routing/tunnel-guard.ts";
import { type TunnelType, tunnelEnds, VXLAN_PORT, wantedTunnels } from "../../plan/routing/tunnels.ts";
import { isOnNode, nodeOf } from "../ends.ts";
import type { Flow } from "../judges/judge.ts";
import { formatPort, type Port } from "../ports.ts";

/** A packet as a hook of a node sees it. */
export interface AtNode {
  readonly node: string;
  readonly family: Family;
  /** Where it is one address. */
  readonly source: string | undefined;
  readonly destination: string;
  readonly port: Port | undefined;
  readonly fromPod: boolean;
}

/**
 * Returns why the node's rules for tunnels drop a packet at a hook; undefined: they do not.
 * @param isLocal whether the node takes what is for that address for itself
 */
export function tunnelRefusal(
  facts: ClusterFacts,
  hook: Hook,
  { node, family, source, destination, port, fromPod }: AtNode,
  isLocal: () => boolean,
): string | undefined {
  if (!port || endingAt(facts, family, port) === undefined) return undefined;
  const { all, others } = tunnelNodes(facts, node);
  const what = formatPort(port);
  if (hook === "postrouting")
    return fromPod && all[family].includes(destination)
      ? `pods send none to where nodes' tunnels end (${what})`
      : undefined;
  if ((hook !== "prerouting" && hook !== "input") || !isLocal()) return undefined;
  const isKnown = !fromPod && source !== undefined && others[family].includes(source);
  return isKnown ? undefined : `only the cluster's other nodes send to where its tunnels end (${what})`;
}

/** A node's tunnel that takes a packet. */
export interface TunnelTaker {
  readonly reason: string;
  /** The node has said that its device is there. */
  readonly stands: boolean;
}

/** Returns the tunnel into which a node's kernel takes packets for a port; undefined: it does not. */
export function takenByTunnel(
  facts: ClusterFacts,
  node: string,
  family: Family,
  port: Port | undefined,
): TunnelTaker | undefined {
  const type = port && endingAt(facts, family, port);
  if (!type) return undefined;
  const stands = tunnelEnds(facts, "", type).some((end) => end.node === node);
  return { reason: `the node's tunnel ${type.device} takes ${formatPort(port)}, and answers nobody`, stands };
}

/** Returns whether tunnels may end at a port; hardly any packet is for it. */
export function isTunnelPort(port: Port | undefined): boolean {
  return port?.port === VXLAN_PORT && port.protocol === "UDP";
}

function endingAt(facts: ClusterFacts, family: Family, port: Port): TunnelType | undefined {
  if (!isTunnelPort(port)) return undefined;
  return wantedTunnels(facts).find((type) => type.kind !== "ipip" && type.family === family);
}

/** The same of a flow to a node of which no more than objects is known. */
export function guessedTunnelEnd(
  facts: ClusterFacts,
  flow: Flow & { readonly source: string; readonly destination: string },
): { readonly taken: TunnelTaker } | { readonly refusal: string } | undefined {
  const { from, to, source, destination, port } = flow;
  const node = nodeOf(to);
  const family = destination.includes(":") ? 6 : 4;
  if (node === undefined || (to.type === "pod" && !isOnNode(to))) return undefined;
  const taken = takenByTunnel(facts, node, family, port);
  if (!taken) return undefined;
  const packet = {
    node,
    family,
    source,
    destination,
    port,
    fromPod: from.type === "pod" && !isOnNode(from),
  } as const;
  const refusal = tunnelRefusal(facts, "prerouting", packet, () => true);
  return refusal === undefined ? { taken } : { refusal };
}
