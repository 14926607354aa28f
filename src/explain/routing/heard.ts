// What nodes' BIRDs have heard of their neighbours.
import type { BirdRoute } from "../../bird/read/routes.ts";
import type { NodeRouting } from "./types.ts";

export interface Heard {
  readonly peer: string | null;
  readonly through: "bgp" | "rip";
}

/** Returns by which neighbour some node has learned each prefix. */
export function heardPrefixes(nodes: readonly NodeRouting[]): ReadonlyMap<string, Heard> {
  const out = new Map<string, Heard>();
  for (const node of nodes)
    for (const route of node.routes)
      if (route.best && isHeard(route) && !out.has(route.prefix))
        out.set(route.prefix, { peer: neighbourOf(node, route), through: protocolOf(route) });
  return out;
}

export function isHeard({ protocol }: BirdRoute): boolean {
  return protocol.startsWith("bgp_") || protocol.startsWith("rip");
}

export function protocolOf({ protocol }: BirdRoute): "bgp" | "rip" {
  return protocol.startsWith("rip") ? "rip" : "bgp";
}

export function neighbourOf(node: NodeRouting, route: BirdRoute): string | null {
  const session = node.sessions.find((one) => one.protocol === route.protocol);
  return session?.peer ?? route.from ?? route.via ?? null;
}

/** Who outside told a prefix first-hand, by prefix. */
export function origins(nodes: readonly NodeRouting[]): ReadonlyMap<string, ReadonlySet<string>> {
  const out = new Map<string, Set<string>>();
  for (const node of nodes) {
    const outside = new Map(
      node.sessions.filter(({ peerNode }) => peerNode === null).map(({ protocol, peer }) => [protocol, peer]),
    );
    for (const { prefix, protocol } of node.routes) {
      const peer = outside.get(protocol);
      if (peer !== undefined) out.set(prefix, (out.get(prefix) ?? new Set()).add(peer));
    }
  }
  return out;
}
