// What makes two routes the same, and what the kernel takes where a route says nothing. Pure.

import type { Route, RouteType } from "./kernel.ts";
import { networkText } from "./netlink/bytes.ts";

/** Returns whether routes of that type lead somewhere, and so may have a next hop and a link. */
export function hasNextHop(type: RouteType): boolean {
  return type !== "blackhole" && type !== "unreachable" && type !== "prohibit" && type !== "throw";
}

/** The metric of a route that names none; lists leave it out. */
export function defaultMetric(family: 4 | 6): number {
  return family === 4 ? 0 : 1024;
}

/** The scope of a route that names none, as ip-route(8) chooses it: the kernel itself would refuse a local route. */
export function defaultScope(route: Route): "universe" | "link" | "host" {
  if (route.family === 6) return "universe";
  if (route.type === "local") return "host";
  if (route.type === "broadcast" || route.type === "multicast" || route.type === "anycast") return "link";
  return route.type === "unicast" && route.via === undefined ? "link" : "universe";
}

/** Returns what may stand only once in a namespace: `replace` replaces the route with the same key. */
export function routeKey(route: Route): string {
  const metric = route.metric ?? defaultMetric(route.family);
  return `${route.table} ${networkText(route.destination)} ${metric}`;
}

/** Returns whether two routes are equal in every respect, whatever they leave to the kernel's defaults. */
export function sameRoute(a: Route, b: Route): boolean {
  return routeFacts(a) === routeFacts(b);
}

function routeFacts(route: Route): string {
  const { type, via, linkIndex, source, scope, protocol, mtu, onlink } = route;
  const facts = [via, linkIndex, source, scope ?? defaultScope(route), protocol, mtu, onlink === true];
  return [routeKey(route), type, ...facts.map((fact) => fact ?? "")].join(" ");
}
