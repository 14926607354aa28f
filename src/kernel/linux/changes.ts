// Changes as rtnetlink requests, the same for those that are made at once and those that wait on another thread.
import {
  type Change,
  type LinkAddress,
  type LinkChange,
  MAIN_TABLE,
  type Neighbour,
  type RateLimit,
  type Route,
} from "../kernel.ts";
import { AddressMessage, writeAddress } from "../netlink/address.ts";
import { LinkMessage, writeLinkChange } from "../netlink/link.ts";
import { Flag } from "../netlink/message.ts";
import { NeighbourMessage, writeNeighbour } from "../netlink/neighbour.ts";
import { QdiscMessage, writeRateLimit } from "../netlink/qdisc.ts";
import { RouteMessage, writeRoute } from "../netlink/route.ts";
import type { Request } from "../netlink/socket.ts";

const ANY_MAC = "00:00:00:00:00:00";

/** @param netns descriptor of the namespace that the link is moved to */
export function linkChange(index: number, to: LinkChange, netns?: number): Request {
  return {
    type: LinkMessage.set,
    flags: 0,
    build: (writer) => writeLinkChange(writer, index, to, netns),
    attempt: () => `change link ${index}`,
  };
}

export function newAddress(address: LinkAddress): Request {
  return {
    type: AddressMessage.new,
    // One with a lifetime is added again and again, to prolong it.
    flags: Flag.create | (address.validSeconds === undefined ? Flag.exclusive : Flag.replace),
    build: (writer) => writeAddress(writer, address),
    attempt: () => `add address ${address.address} to link ${address.linkIndex}`,
  };
}

export function newRoute(route: Route, verb: "add" | "replace"): Request {
  return {
    type: RouteMessage.new,
    flags: Flag.create | (verb === "add" ? Flag.exclusive : Flag.replace),
    build: (writer) => writeRoute(writer, route),
    attempt: () => `${verb} route ${routeText(route)}`,
  };
}

export function newNeighbour(neighbour: Neighbour): Request {
  return {
    type: NeighbourMessage.new,
    // A vxlan's entry for unknown destinations holds a list of tunnel ends: one more is appended to it.
    flags: Flag.create | (neighbour.fdb && neighbour.mac === ANY_MAC ? Flag.append : Flag.replace),
    build: (writer) => writeNeighbour(writer, neighbour),
    attempt: () => `set neighbour ${neighbourText(neighbour)}`,
  };
}

export function newRateLimit(limit: RateLimit): Request {
  return {
    type: QdiscMessage.new,
    flags: Flag.create | Flag.replace,
    build: (writer) => writeRateLimit(writer, limit),
    attempt: () => `limit the rate of link ${limit.linkIndex}`,
  };
}

export function requestOf(change: Change): Request {
  switch (change.kind) {
    case "link":
      return linkChange(change.index, change.to);
    case "address":
      return newAddress(change.address);
    case "route":
      return newRoute(change.route, "replace");
    case "neighbour":
      return newNeighbour(change.neighbour);
    case "rate-limit":
      return newRateLimit(change.limit);
  }
}

/** Returns a route in the words of `ip route`, for messages. */
export function routeText(route: Route): string {
  const type = route.type === "unicast" ? "" : `${route.type} `;
  const via = route.via === undefined ? "" : ` via ${route.via}`;
  const device = route.linkIndex === undefined ? "" : ` on link ${route.linkIndex}`;
  const table = route.table === MAIN_TABLE ? "" : ` table ${route.table}`;
  return `${type}${route.destination}${via}${device}${table}`;
}

export function neighbourText(neighbour: Neighbour): string {
  return `${neighbour.address}${neighbour.mac ? ` at ${neighbour.mac}` : ""} on link ${neighbour.linkIndex}`;
}
