// Which address a sender on a node's own network speaks with to a pod of another node, where only objects tell: the
// node's tunnel's, where a tunnel leads there.
import {
  cidrContains,
  cidrRange,
  type Family,
  type IpRange,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { innerAddress, passageOf, tunnelOf, wantedTunnels } from "../../plan/routing/tunnels.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";
import { mayBeOf } from "../manifests/may-be.ts";

/** Its address, or that nobody knows whether, or which one, it is yet. */
export type TunnelSource = { readonly address: string } | "unknown";

/** Returns what the far pod sees by a tunnel; undefined: none leads there. `destination` undefined: not known yet. */
export function tunnelSourceTo(
  facts: ClusterFacts,
  from: End,
  to: End,
  destination: string | undefined,
): TunnelSource | undefined {
  if (!isOnNode(from) || from.pinned || to.type !== "pod" || isOnNode(to)) return undefined;
  const [here, there] = [nodeOf(from), nodeOf(to)];
  if (here !== undefined && here === there) return undefined;
  const pools = poolsWith(facts, to, destination).filter((pool) => tunnelOf(pool) !== undefined);
  if (pools.length === 0) return undefined;
  const near = here === undefined ? undefined : facts.nodes.get(here);
  const far = there === undefined ? undefined : facts.nodes.get(there);
  const [pool] = pools;
  // Of a node that is not known, or that has not written down its tunnel's address, the objects do not tell.
  if (!pool || !near || !far || destination === undefined) return "unknown";
  const passage = passageOf(facts, pool, near, far);
  if (passage.through === "direct")
    return "because" in passage && passage.because === "not-ready" ? "unknown" : undefined;
  const address = innerAddress(near, passage.type);
  return address === undefined ? "unknown" : { address };
}

/** Returns the ranges that a sender's address will be in where that hangs on tunnels; empty: there are none. */
export function tunnelRanges(facts: ClusterFacts, from: End, family: Family): IpRange[] {
  if (!isOnNode(from) || !wantedTunnels(facts).some((type) => type.family === family)) return [];
  const pools = [...facts.pools.values()].flatMap((pool) => {
    const cidr = tunnelOf(pool) ? tryParseCidr(pool.spec.cidr) : undefined;
    return cidr?.family === family ? [cidrRange(cidr)] : [];
  });
  return [...pools, ...ownRanges(facts, from, family)];
}

function ownRanges(facts: ClusterFacts, from: End, family: Family): IpRange[] {
  const node = nodeOf(from);
  const nodes = node === undefined ? [...facts.nodes.values()] : [facts.nodes.get(node)];
  const known = [...from.addresses, ...nodes.flatMap((one) => (one ? nodeIps(one) : []))];
  const own = [...new Set(known)].flatMap((text) => {
    const ip = tryParseIp(text);
    return ip?.family === family ? [{ family, first: ip.value, last: ip.value }] : [];
  });
  if (own.length > 0) return own;
  // Nobody knows the node: any address may be its own.
  return from.type === "pod" ? [...mayBeOf(facts, from.pod, family)] : [];
}

function poolsWith(facts: ClusterFacts, to: End, destination: string | undefined) {
  const ip = destination === undefined ? undefined : tryParseIp(destination);
  const ranges = ip
    ? [{ family: ip.family, first: ip.value, last: ip.value }]
    : to.type === "pod"
      ? mayBeOf(facts, to.pod)
      : [];
  return [...facts.pools.values()].filter((pool) => {
    const cidr = tryParseCidr(pool.spec.cidr);
    if (!cidr) return false;
    if (ip) return cidrContains(cidr, ip);
    const own = cidrRange(cidr);
    return ranges.some((one) => one.family === own.family && one.first <= own.last && own.first <= one.last);
  });
}
