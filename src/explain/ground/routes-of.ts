// Where one machine of a known network sends a packet: the longest prefix of its links, its own routes and, where nobody
// has looked at the machine itself, the planned routes to pods.
import {
  type Cidr,
  cidrContains,
  cidrOf,
  cidrRange,
  type Ip,
  parseCidr,
  parseIp,
  tryParseCidr,
} from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type PlannedRoute, planRoutes } from "../../plan/routing/plan-routes.ts";
import { innerAddress, outerAddress, tunnelTypes } from "../../plan/routing/tunnels.ts";
import { routeReason } from "../way/way.ts";
import { bare, type GroundLink, type GroundRoute, type Machine, nodeName, tunnelNetwork } from "./ground.ts";
import { chooseSource, isSecondary } from "./source.ts";

export interface RouteWay {
  readonly via?: string;
  readonly link: GroundLink;
  readonly source?: string;
}

/** A route as a kernel has it: to a neighbour, by a neighbour, or nowhere. */
export interface KnownRoute {
  readonly range: Cidr;
  readonly to:
    | RouteWay
    | "blackhole"
    | "unreachable"
    /** By one of several ways that are not known. */
    | "several"
    /** The machine itself. */
    | "local";
  /** Ways beside `to`, of which the kernel takes one for each flow. */
  readonly others?: readonly RouteWay[];
  /** See GroundRoute. */
  readonly odd?: string;
  readonly metric: number;
  /** What decides it, in words. */
  readonly by: string;
  /** It is the agent's. */
  readonly planned?: true;
  /** It goes through a tunnel: the address that the packets are sent to which it is packed in. */
  readonly outer?: string;
  /** Its own packets are refused only where they would leave. */
  readonly afterOutput?: true;
}

/** The agents' own routes: see steer-routes.ts and routing-manager.ts. */
const PLANNED_METRIC = 512;

/** Returns the routes of a machine, longest prefix first, and of equal ones the one that the kernel takes. */
export function routesOf(facts: ClusterFacts, machine: Machine): KnownRoute[] {
  const planned = plannedRoutes(facts, machine);
  const routes = machine.live
    ? machine.routes.flatMap((route) => liveRoute(facts, machine, route, planned))
    : [
        ...machine.links.flatMap(linkRoutes),
        ...machine.routes.flatMap((route) => ownRoute(machine, route)),
        ...planned.flatMap((one) => plannedRoute(facts, machine, one)),
      ];
  // One that is not understood may come before all of its range.
  const rank = ({ odd }: KnownRoute) => (odd === undefined ? 1 : 0);
  return routes.toSorted(
    (a, b) => b.range.length - a.range.length || rank(a) - rank(b) || a.metric - b.metric,
  );
}

function plannedRoute(facts: ClusterFacts, machine: Machine, planned: PlannedRoute): KnownRoute[] {
  const { route, tunnel } = planned;
  const range = tryParseCidr(route.destination);
  if (!range) return [];
  const common = { range, by: wordsOf(planned), metric: PLANNED_METRIC, planned: true } as const;
  if (route.type === "blackhole") return [{ ...common, to: "blackhole" }];
  if (route.via === undefined) return [];
  const link = tunnel ? tunnelLink(facts, machine, tunnel) : linkTo(machine, route.via);
  if (!link) return [];
  return [{ ...common, to: { via: route.via, link }, ...(tunnel && { outer: tunnel.outer }) }];
}

function wordsOf(planned: PlannedRoute): string {
  const { type, destination } = planned.route;
  return `${type === "blackhole" ? type : "route"} ${destination}: ${routeReason(planned)}`;
}

/** A kernel's own route, with the object that decides it where it is as planned. */
function liveRoute(
  facts: ClusterFacts,
  machine: Machine,
  route: GroundRoute,
  planned: readonly PlannedRoute[],
): KnownRoute[] {
  const because = planned.find((one) => one.route.destination === route.to && isAsPlanned(one, route));
  return ownRoute(machine, route).map((known) => {
    const outer = outerOf(facts, known, because);
    const way = outer === undefined ? known : { ...known, ...outer };
    return because ? { ...way, by: wordsOf(because), planned: true as const } : way;
  });
}

function isAsPlanned({ route }: PlannedRoute, { type, via }: GroundRoute): boolean {
  return route.type === "blackhole" ? type === "blackhole" : type === undefined && via === route.via;
}

/** Of a route through a tunnel: where the packets go that it is packed in. */
function outerOf(
  facts: ClusterFacts,
  { to }: KnownRoute,
  because: PlannedRoute | undefined,
): Pick<KnownRoute, "outer"> | { readonly to: "several" } | undefined {
  const link = typeof to === "string" ? undefined : to.link;
  const type = link && tunnelTypes.find(({ device }) => tunnelNetwork(device) === link.network);
  if (!type || typeof to === "string" || to.via === undefined) return undefined;
  const planned = because?.tunnel?.outer;
  if (planned !== undefined) return { outer: planned };
  if (type.kind === "ipip") return { outer: to.via };
  const node = [...facts.nodes.values()].find((one) => innerAddress(one, type) === to.via);
  const outer = node && outerAddress(facts, node, type.family);
  // Only the device's own table tells, which is not looked at.
  return outer === undefined ? { to: "several" } : { outer };
}

function linkRoutes(link: GroundLink): KnownRoute[] {
  const by = networkText(link);
  return link.addresses
    .filter((text) => !isSecondary(link, text) && !/(^[^:]+\/32|\/128)$/.test(text))
    .map((text) => {
      const source = text.includes(":") ? {} : { source: bare(text) };
      return { range: cidrOfText(text), to: { link, ...source }, by, metric: text.includes(":") ? 256 : 0 };
    });
}

function networkText({ network, name }: GroundLink): string {
  return network === undefined ? `link ${name ?? "?"}` : `network ${network}, which it is on`;
}

function ownRoute(machine: Machine, route: GroundRoute): KnownRoute[] {
  const { others = [], odd, ...single } = route;
  const { via: _, link: __, ...common } = single;
  const ways = [single, ...others.map((one) => ({ ...common, ...one }))].flatMap((one) =>
    singleRoute(machine, one),
  );
  const [first] = ways;
  if (odd !== undefined) {
    const { to, metric = 0 } = single;
    return [{ range: parseCidr(to), to: "several", metric, by: `its route to ${to}`, odd }];
  }
  if (!first || ways.length === 1) return ways;
  const rest = ways.slice(1).flatMap(({ to }) => (typeof to === "string" ? [] : [to]));
  // What goes through a tunnel has a way of its own, which is not asked for each of them.
  const isPacked = [first.to, ...rest].some((to) => typeof to !== "string" && isTunnel(to.link));
  return [
    isPacked || typeof first.to === "string" ? { ...first, to: "several" } : { ...first, others: rest },
  ];
}

function isTunnel({ network }: GroundLink): boolean {
  return tunnelTypes.some(({ device }) => tunnelNetwork(device) === network);
}

function singleRoute(
  machine: Machine,
  { to, via: gateway, link: name, source, metric, type }: GroundRoute,
): KnownRoute[] {
  const range = parseCidr(to);
  const isOwn = machine.links.some(({ addresses }) => addresses.some((text) => bare(text) === gateway));
  // Of IPv4 a way by an address of one's own means the network itself (fib_semantics.c: a next hop of host scope).
  const via = isOwn && range.family === 4 ? undefined : gateway;
  const named = name === undefined ? undefined : machine.links.find((one) => one.name === name);
  const link = named ?? (via === undefined ? undefined : linkTo(machine, via));
  const isOnLink = via === undefined && link !== undefined;
  const by = isOnLink ? networkText(link) : to.endsWith("/0") ? "its default route" : `its route to ${to}`;
  const weight = metric ?? (range.family === 6 ? 1024 : 0);
  if (type !== undefined) return [{ range, to: type, by, metric: weight }];
  // Of IPv6 what is said to be on the loopback link is refused (route.c, fib6_is_reject): what others send at once, its own
  // where it would leave (ip6_pkt_discard_out), which output filters see before.
  if (range.family === 6 && link?.name === "lo")
    return [{ range, to: "unreachable", by, metric: weight, afterOutput: true }];
  if (!link) return [];
  // The source is looked for near the next hop that was named, its own address or not.
  const near =
    gateway === undefined || via !== undefined
      ? undefined
      : chooseSource(machine, link, parseIp(gateway), parseIp(gateway));
  const from = source ?? near;
  const way = { link, ...(via !== undefined && { via }), ...(from !== undefined && { source: from }) };
  return [{ range, to: way, by, metric: weight }];
}

/** Returns the link that a next hop is on, of several one that has neighbours. */
function linkTo({ links }: Machine, via: string): GroundLink | undefined {
  const next = parseIp(via);
  const there = links.filter((link) => link.addresses.some((text) => cidrContains(cidrOfText(text), next)));
  return there.find(({ network }) => network !== undefined) ?? there[0];
}

function plannedRoutes(facts: ClusterFacts, { name, podRoutes }: Machine): readonly PlannedRoute[] {
  const node = /^node\/(.*)$/.exec(name)?.[1];
  // A router is no owner of blocks: all of them are others'.
  return node === undefined && !podRoutes ? [] : planRoutes(facts, node ?? name).routes;
}

/** A tunnel is a network of its own, on which all who have the device are neighbours. */
function tunnelLink(
  facts: ClusterFacts,
  { name, links }: Machine,
  { kind, device }: NonNullable<PlannedRoute["tunnel"]>,
): GroundLink | undefined {
  const found = links.find((link) => link.name === device);
  if (found) return found;
  const node = facts.nodes.get(nodeName(name) ?? "");
  const type = tunnelTypes.find((one) => one.kind === kind);
  const inner = node && type && innerAddress(node, type);
  const length = type?.family === 6 ? 128 : 32;
  return inner === undefined
    ? undefined
    : { name: device, network: tunnelNetwork(device), addresses: [`${inner}/${length}`] };
}

/** Returns the range that is on the other side of a link by one of its addresses. */
export function cidrOfText(text: string): Cidr {
  return cidrOf(parseIp(bare(text)), Number(text.split("/")[1] ?? "0"));
}

/** Returns whether an address means everybody on a network of that route (IPv4). */
export function isBroadcast({ range, to }: KnownRoute, ip: Ip): boolean {
  return typeof to !== "string" && to.via === undefined && isBroadcastIn(range, ip);
}

/** Returns whether an address means everybody of a range (IPv4). */
export function isBroadcastIn(range: Cidr, ip: Ip): boolean {
  if (range.family !== 4 || range.length > 30) return false;
  return ip.family === 4 && ip.value === cidrRange(range).last;
}
