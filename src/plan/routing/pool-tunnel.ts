// What the owner of a pool is told about its tunnels: a condition made of what all nodes say. Pure.
import type { Condition, Node } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { innerAddress, LACKS_IPIP, lacksIpip, TUNNEL_CONDITION, tunnelOf } from "./tunnels.ts";

/** Of many nodes the first are named. */
const NAMED = 5;

/** Returns the condition of a pool; undefined where it asks for no tunnel and none was told of before. */
export function poolTunnelCondition(
  pool: IPPool,
  nodes: Iterable<Node>,
): Omit<Condition, "lastTransitionTime"> | undefined {
  const type = TUNNEL_CONDITION;
  const tunnel = tunnelOf(pool);
  if (!tunnel) {
    const told = pool.status?.conditions?.some((one) => one.type === type);
    return told ? { type, status: "True", reason: "NotNeeded", message: "" } : undefined;
  }
  const all = [...nodes];
  const lacking = tunnel.type.kind === "ipip" ? all.filter(lacksIpip) : [];
  if (lacking.length > 0) {
    const message = `packets to and from ${named(lacking)} go as without a tunnel: the kernel has no IP in IP (module ipip)`;
    return { type, status: "False", reason: LACKS_IPIP, message };
  }
  const waiting = all.filter((node) => innerAddress(node, tunnel.type) === undefined);
  if (waiting.length > 0) {
    const message = `${tunnel.type.device} does not stand on ${named(waiting)}: packets to and from there go as without a tunnel`;
    return { type, status: "False", reason: "TunnelsNotReady", message };
  }
  return { type, status: "True", reason: "TunnelsStand", message: "" };
}

function named(nodes: readonly Node[]): string {
  const names = nodes.map((node) => node.metadata.name).toSorted();
  const more = names.length - NAMED;
  return more > 0 ? `${names.slice(0, NAMED).join(", ")} and ${more} more` : names.join(", ");
}
