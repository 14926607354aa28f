// A pod's wire: a veth whose one end is in the pod's namespace. No bridge: the pod has its address alone (/32 or /128) and
// sends everything to a gateway that is the host's end, which answers for it by proxy ARP (IPv6: its link-local address).
import { isError, TrunklineError } from "../../base/errors.ts";
import { parseIp } from "../../base/ip.ts";
import {
  type Kernel,
  type Link,
  type LinkAddress,
  type LinkChange,
  MAIN_TABLE,
  type Machine,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
  type Route,
} from "../../kernel/kernel.ts";
import { isHostInterface } from "./endpoint.ts";

/** Every host end has this one: nothing but the pod sees it, and a pod's neighbour entry survives a new wire. */
export const HOST_MAC = "ee:ee:ee:ee:ee:ee";
export const GATEWAY4 = "169.254.1.1";
/** The host end's link-local address: the same on every wire, and 169.254.1.1 once more for whoever reads it. */
export const GATEWAY6 = "fe80::a9fe:101";

const STRICT_SYSCTL = "1";

export interface WireSpec {
  readonly hostInterface: string;
  /** Name of the pod's end. */
  readonly ifName: string;
  /** Path of the pod's namespace. */
  readonly netns: string;
  readonly ips: readonly string[];
  /** Bytes. */
  readonly mtu: number;
  readonly alias: string;
  readonly podMac: string;
}

export interface WireEnds {
  readonly host: Link;
  /** Index of the pod's end in its namespace. */
  readonly podIndex: number;
}

/**
 * Makes the wire. A host end of that name that is left over from an attempt that failed is removed first.
 * @throws `agent.interface-exists` if the pod has an interface of that name already, `kernel.…`
 */
export async function attachWire(machine: Machine, kernel: Kernel, spec: WireSpec): Promise<WireEnds> {
  const pod = machine.open({ path: spec.netns });
  try {
    const host = await makeLinks(kernel, pod, spec);
    const ends = [setUpHostEnd(kernel, host, spec), setUpPodEnd(pod, host.lower ?? 0, spec)];
    // Both to their ends, before the pod's handle is closed or the failed one is undone.
    for (const end of await Promise.allSettled(ends)) if (end.status === "rejected") throw end.reason;
    return { host, podIndex: host.lower ?? 0 };
  } finally {
    pod.close();
  }
}

async function makeLinks(kernel: Kernel, pod: Kernel, spec: WireSpec): Promise<Link> {
  const link = {
    kind: "veth",
    name: spec.hostInterface,
    mac: HOST_MAC,
    mtu: spec.mtu,
    group: POD_LINK_GROUP,
    peer: { name: spec.ifName, netns: { path: spec.netns }, mtu: spec.mtu, mac: spec.podMac },
  } as const;
  try {
    return await kernel.links.make(link);
  } catch (error) {
    if (!isError(error, "kernel.exists")) throw error;
    // One of the two names is taken. Ours may be left over, and its removal takes the other end with it.
    const old = kernel.links.get(spec.hostInterface);
    if (old !== undefined && isHostInterface(old)) await kernel.links.remove(old.index);
    if (pod.links.get(spec.ifName) !== undefined)
      throw new TrunklineError("agent.interface-exists", { name: spec.ifName, netns: spec.netns });
    return kernel.links.make(link);
  }
}

async function setUpHostEnd(kernel: Kernel, host: Link, spec: WireSpec): Promise<void> {
  const families = familiesOf(spec.ips);
  if (families.has(6)) {
    const settings = { disable_ipv6: 0, accept_dad: 0, accept_ra: 0, proxy_ndp: 1 };
    for (const [name, value] of Object.entries(settings))
      kernel.sysctl.set(`net/ipv6/conf/${host.name}/${name}`, value);
  }
  const link: LinkChange = {
    alias: spec.alias,
    // No address of the kernel's own making: its detection and its routes are noise on every wire.
    addressGeneration: "none",
    // route_localnet stays off: with it a pod could reach what listens on the node's loopback only.
    // The strict reverse path drops what the pod sends from others' IPv4 addresses, in the look-up that routes it anyway.
    ...(families.has(4) && { ipv4: { proxyArp: true, forwarding: true, reversePath: "strict" } }),
  };
  const gateway = { linkIndex: host.index, address: `${GATEWAY6}/64`, scope: "link", noDad: true } as const;
  await kernel.apply([
    { kind: "link", index: host.index, to: link },
    // Apart, and after them: of one request the kernel sets a link up first, and the pod's end may be up already.
    { kind: "link", index: host.index, to: { up: true } },
    ...(families.has(6) ? [{ kind: "address", address: gateway } as const] : []),
    ...spec.ips.map((ip) => ({ kind: "route", route: hostRoute(ip, host.index) }) as const),
  ]);
}

/** Returns whether the kernel checks the IPv4 addresses that a pod sends from, as ADD has set it. */
export function isGuarded(kernel: Kernel, hostInterface: string, ips: readonly string[]): boolean {
  return (
    !familiesOf(ips).has(4) || kernel.sysctl.get(`net/ipv4/conf/${hostInterface}/rp_filter`) === STRICT_SYSCTL
  );
}

export function guardWire(kernel: Kernel, hostIndex: number): void {
  kernel.links.change(hostIndex, { ipv4: { reversePath: "strict" } });
}

async function setUpPodEnd(pod: Kernel, index: number, spec: WireSpec): Promise<void> {
  const families = familiesOf(spec.ips);
  if (families.has(6)) {
    const settings = { disable_ipv6: 0, accept_dad: 0, accept_ra: 0 };
    for (const [name, value] of Object.entries(settings))
      pod.sysctl.set(`net/ipv6/conf/${spec.ifName}/${name}`, value);
  }
  // Proxy ARP takes up to a second (proxy_delay), answers only on a node that has a route to the gateway's address by another link (a default route, most
  // often), and costs the first packet a round trip; the gateway's address on the wire is known, so the pod is told.
  const neighbours = gatewaysOf(families).map(
    (address) => ({ linkIndex: index, address, mac: HOST_MAC, state: "permanent" }) as const,
  );
  const link: LinkChange = {
    // A namespace starts with the settings of the machine's first one, which may well forward; a pod must not.
    ...(families.has(4) && { ipv4: { forwarding: false } }),
    // Nobody on the wire speaks link-local IPv6 with a pod that has no other: only work for every pod that starts.
    ...(!families.has(6) && { addressGeneration: "none" }),
  };
  await pod.apply([
    { kind: "link", index, to: link },
    { kind: "link", index, to: { up: true } },
    ...podAddresses(spec.ips, index).map((address) => ({ kind: "address", address }) as const),
    ...podRoutes(spec.ips, index).map((route) => ({ kind: "route", route }) as const),
    ...neighbours.map((neighbour) => ({ kind: "neighbour", neighbour }) as const),
  ]);
}

/** The host's route to one of the pod's addresses. */
export function hostRoute(ip: string, linkIndex: number): Route {
  const { family } = parseIp(ip);
  return {
    family,
    destination: `${ip}/${family === 4 ? 32 : 128}`,
    type: "unicast",
    linkIndex,
    protocol: ROUTE_PROTOCOL,
    table: MAIN_TABLE,
  };
}

export function podAddresses(ips: readonly string[], linkIndex: number): LinkAddress[] {
  return ips.map((ip) => {
    const four = parseIp(ip).family === 4;
    return { linkIndex, address: `${ip}/${four ? 32 : 128}`, scope: "global", ...(!four && { noDad: true }) };
  });
}

/** The pod's routes: to the gateway on the link, and through it to everything. */
export function podRoutes(ips: readonly string[], linkIndex: number): Route[] {
  const common = { type: "unicast", linkIndex, protocol: ROUTE_PROTOCOL, table: MAIN_TABLE } as const;
  const families = familiesOf(ips);
  const routes: Route[] = [];
  if (families.has(4)) {
    routes.push({ ...common, family: 4, destination: `${GATEWAY4}/32` });
    routes.push({ ...common, family: 4, destination: "0.0.0.0/0", via: GATEWAY4 });
  }
  if (families.has(6)) routes.push({ ...common, family: 6, destination: "::/0", via: GATEWAY6 });
  return routes;
}

/**
 * Takes a pod off the network at once, without the wait that removing its link takes: the host's routes to it go.
 * Succeeds if they, or the link, are gone already.
 * @param hostIndex index of the host's end; undefined if it is gone
 */
export function cutWire(kernel: Kernel, hostIndex: number | undefined, ips: readonly string[]): void {
  if (hostIndex === undefined) return;
  for (const ip of ips) kernel.routes.remove(hostRoute(ip, hostIndex));
}

/** Returns what of the wire is not as ADD left it, in words; empty if all is. */
export function checkWire(machine: Machine, kernel: Kernel, spec: WireSpec): string[] {
  const faults: string[] = [];
  const host = kernel.links.get(spec.hostInterface);
  if (host === undefined) return [`the node has no interface ${spec.hostInterface}`];
  if (!host.up) faults.push(`the node's interface ${spec.hostInterface} is down`);
  if (!isGuarded(kernel, spec.hostInterface, spec.ips))
    faults.push(
      `the node's interface ${spec.hostInterface} does not check the addresses that the pod sends from`,
    );
  const hostRoutes = kernel.routes.list({ protocol: ROUTE_PROTOCOL });
  for (const ip of spec.ips) {
    const wanted = hostRoute(ip, host.index);
    if (!hostRoutes.some((route) => leadsAlike(route, wanted)))
      faults.push(`the node has no route to ${ip} through ${spec.hostInterface}`);
  }
  try {
    const pod = machine.open({ path: spec.netns });
    try {
      faults.push(...checkPodEnd(pod, spec, host));
    } finally {
      pod.close();
    }
  } catch (error) {
    if (!isError(error, "kernel.no-netns")) throw error;
    faults.push(`there is no namespace ${spec.netns}`);
  }
  return faults;
}

function checkPodEnd(pod: Kernel, spec: WireSpec, host: Link): string[] {
  const link = pod.links.get(spec.ifName);
  if (link === undefined) return [`the pod has no interface ${spec.ifName}`];
  const faults: string[] = [];
  if (host.lower !== link.index) faults.push(`${spec.ifName} is not the other end of ${spec.hostInterface}`);
  if (!link.up) faults.push(`the pod's interface ${spec.ifName} is down`);
  const addresses = new Set(pod.addresses.list(link.index).map((entry) => entry.address));
  for (const { address } of podAddresses(spec.ips, link.index))
    if (!addresses.has(address))
      faults.push(`the pod's interface ${spec.ifName} lacks the address ${address}`);
  const routes = pod.routes.list();
  for (const wanted of podRoutes(spec.ips, link.index))
    if (!routes.some((route) => leadsAlike(route, wanted)))
      faults.push(
        `the pod lacks the route to ${wanted.destination}${wanted.via ? ` via ${wanted.via}` : ""}`,
      );
  return faults;
}

// Later plugins and the pod itself may add to a route (a metric, an MTU); where it leads is what counts.
function leadsAlike(a: Route, b: Route): boolean {
  return a.destination === b.destination && a.linkIndex === b.linkIndex && a.via === b.via;
}

function gatewaysOf(families: ReadonlySet<4 | 6>): string[] {
  return [...(families.has(4) ? [GATEWAY4] : []), ...(families.has(6) ? [GATEWAY6] : [])];
}

function familiesOf(ips: readonly string[]): ReadonlySet<4 | 6> {
  return new Set(ips.map((ip) => parseIp(ip).family));
}
