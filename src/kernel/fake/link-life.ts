// How links come and go: what the kernel does by itself when a link is made, set up or down, moved or removed.
import { formatIp, parseIp } from "../../base/ip.ts";
import type { Link, LinkAddress, Route } from "../kernel.ts";
import { networkText, prefixOf } from "../netlink/bytes.ts";
import type { FakeLink, Namespace } from "./namespace.ts";

const LOCAL_TABLE = 255;
const MAIN_TABLE = 254;
/** RTPROT_KERNEL: routes that the kernel makes by itself. */
const BY_KERNEL = 2;
const CONNECTED_METRIC = 256;
const SMALLEST_IPV6_MTU = 1280;

/** Returns whether a link has carrier: both ends of a veth must be up, and what a link stands on. */
export function isRunning(link: FakeLink): boolean {
  if (!link.facts.up) return false;
  if (link.peer) return link.peer.facts.up;
  return link.base ? isRunning(link.base) : true;
}

/** Returns a link as a listing shows it. */
export function shown(link: FakeLink): Link {
  return { ...link.facts, running: isRunning(link) };
}

/** Puts a link into a namespace, by the index it has if that is free there. */
export function settle(link: FakeLink, home: Namespace): void {
  if (link.facts.index === 0 || home.links.has(link.facts.index)) link.facts.index = home.nextIndex();
  link.home = home;
  home.links.set(link.facts.index, link);
  if (link.peer) link.peer.facts.lower = link.facts.index;
}

export function tellLink(link: FakeLink, change: "new" | "gone"): void {
  const { index, name, up, group } = shown(link);
  link.home.tell("link", { kind: "link", change, index, name, up, group });
}

export function setUp(link: FakeLink): void {
  if (link.facts.up) return;
  link.facts.up = true;
  for (const address of link.home.addresses.filter((one) => one.linkIndex === link.facts.index)) {
    connect(link.home, address);
  }
  for (const end of [link, link.peer, ...uppers(link)]) if (end) linkLocal(end);
  tellLink(link, "new");
  if (link.peer?.facts.up) tellLink(link.peer, "new");
}

/** Routes by way of the link go, and so do its IPv6 addresses; IPv4 addresses stay. */
export function setDown(link: FakeLink): void {
  if (!link.facts.up) return;
  link.facts.up = false;
  const { home } = link;
  const { index } = link.facts;
  dropRoutes(home, (route) => route.linkIndex === index);
  for (const address of home.addresses.filter(
    (one) => one.linkIndex === index && one.address.includes(":"),
  )) {
    removeAddress(home, address);
  }
  home.neighbours = home.neighbours.filter((one) => one.linkIndex !== index || one.fdb || one.proxy);
  tellLink(link, "new");
}

/** Takes a link away with all that hangs on it: addresses, routes, neighbours, its peer, and links on top of it. */
export function destroy(link: FakeLink): void {
  if (link.home.links.get(link.facts.index) !== link) return;
  for (const upper of uppers(link)) destroy(upper);
  leave(link);
  for (const port of link.home.links.values()) {
    if (port.facts.master === link.facts.index) port.facts.master = undefined;
  }
  tellLink(link, "gone");
  const { peer } = link;
  if (peer) {
    delete peer.peer;
    delete link.peer;
    destroy(peer);
  }
}

/** Moves a link: it arrives down, without addresses and routes. */
export function move(link: FakeLink, to: Namespace): void {
  leave(link);
  link.facts.up = false;
  link.facts.master = undefined;
  tellLink(link, "gone");
  settle(link, to);
  tellLink(link, "new");
}

function leave(link: FakeLink): void {
  const { home } = link;
  const { index } = link.facts;
  setDown(link);
  for (const address of home.addresses.filter((one) => one.linkIndex === index)) removeAddress(home, address);
  dropRoutes(home, (route) => route.linkIndex === index);
  home.neighbours = home.neighbours.filter((one) => one.linkIndex !== index);
  home.links.delete(index);
}

function uppers(link: FakeLink): FakeLink[] {
  return [...link.home.links.values()].filter((one) => one.base === link);
}

export function dropRoutes(home: Namespace, goes: (route: Route) => boolean): void {
  const gone = home.routes.filter(goes);
  home.routes = home.routes.filter((route) => !gone.includes(route));
  for (const route of gone) home.tell("route", { kind: "route", change: "gone", route });
}

export function addAddress(home: Namespace, address: LinkAddress): void {
  home.addresses.push(address);
  home.tell("address", { kind: "address", change: "new", address });
  if (home.links.get(address.linkIndex)?.facts.up) connect(home, address);
}

/** IPv4 routes that name the address as their source go with it. */
export function removeAddress(home: Namespace, address: LinkAddress): void {
  home.addresses = home.addresses.filter((one) => one !== address);
  const own = address.address.slice(0, address.address.indexOf("/"));
  const remains = home.addresses.some((one) => one.address.startsWith(`${own}/`));
  const byKernel = new Set(connectedRoutes(address).map(facts));
  dropRoutes(
    home,
    (route) => byKernel.has(facts(route)) || (!remains && route.family === 4 && route.source === own),
  );
  home.tell("address", { kind: "address", change: "gone", address });
}

function facts(route: Route): string {
  return `${route.protocol} ${route.table} ${route.destination} ${route.type} ${route.linkIndex} ${route.source ?? ""}`;
}

function connect(home: Namespace, address: LinkAddress): void {
  for (const route of connectedRoutes(address)) {
    home.routes.push(route);
    home.tell("route", { kind: "route", change: "new", route });
  }
}

/** The routes that the kernel makes for an address: to itself, and to its network. */
function connectedRoutes({ address, linkIndex, scope }: LinkAddress): Route[] {
  const { family, length } = prefixOf(address);
  const own = address.slice(0, address.indexOf("/"));
  const bits = family === 4 ? 32 : 128;
  const common = { family, linkIndex, protocol: BY_KERNEL };
  const source = family === 4 ? { source: own } : {};
  const local: Route = {
    ...common,
    ...source,
    destination: `${own}/${bits}`,
    type: "local",
    scope: family === 4 ? "host" : "universe",
    table: LOCAL_TABLE,
  };
  const onLoopback = scope === "host";
  if (onLoopback || (family === 4 && length === 32)) return [local];
  const network: Route = {
    ...common,
    ...source,
    destination: networkText(address),
    type: "unicast",
    scope: family === 4 ? "link" : "universe",
    table: MAIN_TABLE,
    ...(family === 6 && { metric: CONNECTED_METRIC }),
  };
  return [local, network];
}

/** An IPv6 link-local address comes by itself as soon as there is carrier, unless the link was told not to. */
export function linkLocal(link: FakeLink): void {
  const { home, facts: link_ } = link;
  if (!isRunning(link) || link_.addressGeneration !== "eui64" || link_.mtu < SMALLEST_IPV6_MTU || !link_.mac)
    return;
  if (link_.name === "lo" || home.sysctls.get(`net/ipv6/conf/${link_.name}/disable_ipv6`) === "1") return;
  const ours = home.addresses.some((one) => one.linkIndex === link_.index && one.address.startsWith("fe80:"));
  if (!ours) addAddress(home, { linkIndex: link_.index, address: `${eui64(link_.mac)}/64`, scope: "link" });
}

/** RFC 4291 appendix A: ff:fe in the middle, and the universal bit turned round. */
function eui64(mac: string): string {
  const [a, b, c, d, e, f] = mac.split(":").map((part) => Number.parseInt(part, 16));
  const hex = (...bytes: (number | undefined)[]): string =>
    bytes.map((byte) => (byte ?? 0).toString(16).padStart(2, "0")).join("");
  return formatIp(parseIp(`fe80::${hex((a ?? 0) ^ 2, b)}:${hex(c, 0xff)}:${hex(0xfe, d)}:${hex(e, f)}`));
}
