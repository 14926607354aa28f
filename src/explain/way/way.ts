// The way of a packet hop by hop, from the routes that each node is planned to have.
import { cidrContains, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { ROUTING_CONDITION } from "../../plan/routing/bird/report.ts";
import { routingProtocols } from "../../plan/routing/bird/settings.ts";
import { type PlannedRoute, type RouteReason, routeTo } from "../../plan/routing/plan-routes.ts";
import { innerAddress, tunnelTypes, wantedTunnels } from "../../plan/routing/tunnels.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";

export interface Hop {
  /** Where the packet is: `pod/x/a`, `node/n1`, `host/h`, or an address. */
  readonly at: string;
  readonly to: string;
  /** The next address that it is handed to, if there is one. */
  readonly via?: string;
  /** What decides this step. */
  readonly by: string;
}

export interface Way {
  readonly hops: readonly Hop[];
  /** Why the packet gets no further than the last hop. */
  readonly broken?: string;
  /** Routes on it are BIRD's, and whether they are there is not known. */
  readonly doubt?: string;
}

/** Returns every pod's gateway: answered by proxy ARP on the node's end, so that no address is spent on it. */
export function gatewayOf(destination: string): string {
  return destination.includes(":") ? "the node's link-local address" : "169.254.1.1";
}

/** Returns the way from one end to another for packets to `destination`. */
export function wayOf(facts: ClusterFacts, from: End, to: End, destination: string): Way {
  if (from.name === to.name) {
    return { hops: [{ at: from.name, to: to.name, by: "its own address: the packet never leaves" }] };
  }
  const hops: Hop[] = [];
  const start = nodeOf(from);
  if (start === undefined) return fromOutside(facts, from, to, destination);
  const node = `node/${start}`;
  if (!isOnNode(from)) {
    hops.push({
      at: from.name,
      to: node,
      via: gatewayOf(destination),
      by: "the pod's default route, through its veth pair",
    });
  }
  return onward(facts, start, to, destination, hops);
}

function fromOutside(facts: ClusterFacts, from: End, to: End, destination: string): Way {
  const end = nodeOf(to);
  if (end === undefined) {
    return { hops: [{ at: from.name, to: to.name, by: "routes outside of the cluster" }] };
  }
  const node = `node/${end}`;
  const first: Hop = {
    at: from.name,
    to: isOnNode(to) ? to.name : node,
    by: "routes outside of the cluster",
  };
  if (isOnNode(to)) return { hops: [first] };
  const doubt = routingProtocols(facts).size === 0 ? undefined : routesUnknown(facts, [end]);
  return { ...onward(facts, end, to, destination, [first]), ...(doubt !== undefined && { doubt }) };
}

function onward(facts: ClusterFacts, at: string, to: End, destination: string, before: readonly Hop[]): Way {
  const here = `node/${at}`;
  if (before.at(-1)?.to === to.name) return { hops: before };
  if (nodeOf(to) === at) {
    const by = isOnNode(to) ? "the node's own address" : "the route to the pod's interface";
    return { hops: [...before, { at: here, to: to.name, by }] };
  }
  const planned = routeTo(facts, at, destination);
  if (planned?.route.type === "blackhole") {
    const by = `blackhole ${planned.route.destination}: ${reasonText(planned.because)}`;
    return {
      hops: [...before, { at: here, to: "nowhere", by }],
      broken: `no pod on ${at} has ${destination}`,
    };
  }
  if (planned?.route.type === "unicast" && planned.route.via !== undefined && "node" in planned.because) {
    const { destination: prefix } = planned.route;
    const via = planned.tunnel?.outer ?? planned.route.via;
    const next = planned.because.node;
    const hop: Hop = {
      at: here,
      to: `node/${next}`,
      via,
      by: `route ${prefix}: ${routeReason(planned)}`,
    };
    const doubt = planned.handedOver ? routesUnknown(facts, [at, next]) : undefined;
    if (doubt !== undefined) return { hops: [...before, hop], doubt };
    if (next === at) return { hops: [...before, hop], broken: `the route of ${at} leads back to itself` };
    if (nodeOf(to) !== next) {
      return { hops: [...before, hop], broken: `${prefix} is routed to ${next}, where ${to.name} is not` };
    }
    return onward(facts, next, to, destination, [...before, hop]);
  }
  const subnet = subnetOf(facts, destination);
  if (subnet && nodeOf(to) !== undefined) {
    const by = `the network around the cluster, which has subnet ${subnet.metadata.name}`;
    const next = `node/${nodeOf(to)}`;
    return onward(facts, nodeOf(to)!, to, destination, [...before, { at: here, to: next, by }]);
  }
  if (isOnNode(to) || nodeOf(to) === undefined) {
    return { hops: [...before, { at: here, to: to.name, by: "the node's own routes, through its uplink" }] };
  }
  return {
    hops: [...before, { at: here, to: "nowhere", by: "no route" }],
    broken: `${at} has no route to ${destination}: ${whyNoRoute(facts, destination)}`,
  };
}

/** Returns what keeps routes that BIRD makes from being sure to be there: what one of the nodes says of itself. */
function routesUnknown(facts: ClusterFacts, nodes: readonly string[]): string | undefined {
  const what =
    nodes.length > 1
      ? `${nodes.join(" and ")} have routes to each other`
      : `others have a route to ${nodes[0]}`;
  for (const name of nodes) {
    const conditions = facts.nodes.get(name)?.status?.conditions ?? [];
    const told = conditions.find(({ type }) => type === ROUTING_CONDITION);
    if (told?.status === "False")
      return `whether ${what}: node ${name} says ${told.reason} (${told.message ?? ""})`;
  }
  return undefined;
}

function whyNoRoute(facts: ClusterFacts, destination: string): string {
  const ip = tryParseIp(destination);
  for (const block of facts.blocks.values()) {
    const range = tryParseCidr(block.spec.cidr);
    if (!ip || !range || !cidrContains(range, ip)) continue;
    if (block.spec.state === "pending") return `block ${block.spec.cidr} is not confirmed yet`;
    return `node ${block.spec.node}, which owns ${block.spec.cidr}, has no address of that family`;
  }
  return "no block holds that address";
}

/** Returns the object that decides a route, in words. */
export function reasonText(because: RouteReason): string {
  switch (because.kind) {
    case "own-block":
      return `block ${because.block} of pool ${because.pool} is the node's own`;
    case "remote-block":
      return `block ${because.block} of pool ${because.pool} belongs to ${because.node}`;
    case "loan":
      return `${because.address} of block ${because.block} is lent to ${because.node}`;
  }
}

/** Returns why a route is as it is: the object that decides it, and what is there of a tunnel that was asked for. */
export function routeReason({ because, tunnel, noTunnel }: PlannedRoute): string {
  const text = reasonText(because);
  if (tunnel) return `${text}; through ${tunnel.device}`;
  if (noTunnel === undefined) return text;
  switch (noTunnel) {
    case "same-subnet":
      return `${text}; without a tunnel, as both nodes are in one network (CrossSubnet)`;
    case "kernel":
      return `${text}; without the tunnel that its pool asks for: a node's kernel has no IP in IP`;
    case "not-ready":
      return `${text}; without the tunnel that its pool asks for, which does not stand on both nodes yet`;
  }
}

/** Returns the address that a node's own packets to `destination` have if they go through a tunnel: its device's. */
export function tunnelSource(
  facts: ClusterFacts,
  name: string | undefined,
  destination: string,
): string | undefined {
  if (name === undefined || wantedTunnels(facts).length === 0) return undefined;
  const node = facts.nodes.get(name);
  const kind = node && routeTo(facts, node.metadata.name, destination)?.tunnel?.kind;
  const type = tunnelTypes.find((one) => one.kind === kind);
  return node && type && innerAddress(node, type);
}
