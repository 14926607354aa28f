// Where one machine of a known network sends a packet: the longest prefix of its links, its own routes and the planned
// routes to pods.
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
import { planRoutes } from "../../plan/routing/plan-routes.ts";
import { reasonText } from "../way.ts";
import type { GroundLink, Machine } from "./ground.ts";

/** A route as a kernel has it: to a neighbour, by a neighbour, or nowhere. */
export interface KnownRoute {
  readonly range: Cidr;
  readonly to: { readonly via?: string; readonly link: GroundLink } | "blackhole";
  /** What decides it, in words. */
  readonly by: string;
}

/** Returns the routes of a machine, longest prefix first. */
export function routesOf(facts: ClusterFacts, machine: Machine): KnownRoute[] {
  const linkTo = (via: string) => machine.links.find((link) => rangesOf(link).some(holds(parseIp(via))));
  const routes: KnownRoute[] = machine.links.flatMap((link) =>
    rangesOf(link).map((range) => ({ range, to: { link }, by: `network ${link.network}, which it is on` })),
  );
  for (const { to, via } of machine.routes) {
    const link = linkTo(via);
    const by = to.endsWith("/0") ? "its default route" : `its route to ${to}`;
    if (link) routes.push({ range: parseCidr(to), to: { via, link }, by });
  }
  for (const { route, because } of plannedRoutes(facts, machine)) {
    const range = tryParseCidr(route.destination);
    if (!range) continue;
    const by = `${route.type} ${route.destination}: ${reasonText(because)}`;
    if (route.type === "blackhole") routes.push({ range, to: "blackhole", by });
    const link = route.via === undefined ? undefined : linkTo(route.via);
    const words = `route ${route.destination}: ${reasonText(because)}`;
    if (link && route.via !== undefined) routes.push({ range, to: { via: route.via, link }, by: words });
  }
  return routes.toSorted((a, b) => b.range.length - a.range.length);
}

function plannedRoutes(facts: ClusterFacts, { name, podRoutes }: Machine) {
  const node = /^node\/(.*)$/.exec(name)?.[1];
  // A router is no owner of blocks: all of them are others'.
  return node === undefined && !podRoutes ? [] : planRoutes(facts, node ?? name).routes;
}

/** Returns the ranges that are on the other side of a link. */
function rangesOf(link: GroundLink): Cidr[] {
  return link.addresses.map((text) => {
    const [address = "", length = "0"] = text.split("/");
    return cidrOf(parseIp(address), Number(length));
  });
}

function holds(ip: Ip): (range: Cidr) => boolean {
  return (range) => cidrContains(range, ip);
}

/** Returns the address that a machine uses on a link towards `next`: the one of the same range, else the first of its family. */
export function addressOn(link: GroundLink, next: Ip): string | undefined {
  const own = link.addresses.map((text) => text.split("/")[0] ?? "");
  const near = own.find((_, at) => holds(next)(rangesOf(link)[at]!));
  return near ?? own.find((text) => parseIp(text).family === next.family);
}

/** Returns whether an address means everybody on a network of that route (IPv4). */
export function isBroadcast({ range, to }: KnownRoute, ip: Ip): boolean {
  if (to === "blackhole" || to.via !== undefined || range.family !== 4 || range.length > 30) return false;
  return ip.family === 4 && ip.value === cidrRange(range).last;
}
