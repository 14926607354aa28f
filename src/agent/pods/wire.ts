// A pod's wire: a veth whose one end is in the pod's namespace. No bridge: the pod has its address alone (/32 or /128) and
// sends everything to a gateway that is the host's end, which answers for it by proxy ARP (IPv6: its link-local address).
import { isError, TrunklineError } from "../../base/errors.ts";
import { parseIp } from "../../base/ip.ts";
import { hasIpv6 } from "../../kernel/ipv6.ts";
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
import { AddParts } from "./add-parts.ts";
import { isHostInterface } from "./endpoint.ts";
import {
  type Families,
  familiesOf,
  freeFamilies,
  GATEWAY4,
  GATEWAY6,
  podRoutes,
  podRules,
  putRules,
} from "./pod-routes.ts";

/** The host end's own IPv4 settings, for pods with such addresses. */
export const hostSettings4 = { proxyArp: true, forwarding: true, reversePath: "strict" } as const;
/** The same for IPv6, by the names of sysctls. */
export const hostSettings6 = [
  ["disable_ipv6", "0"],
  ["accept_dad", "0"],
  ["accept_ra", "0"],
  ["proxy_ndp", "1"],
] as const;

/** Every host end has this one: nothing but the pod sees it, and a pod's neighbour entry survives a new wire. */
export const HOST_MAC = "ee:ee:ee:ee:ee:ee";
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
  /** Families whose default route in the pod is this wire's: no other interface had one. */
  readonly main: Families;
}

/**
 * Makes the wire. A host end of that name that is left over from an attempt that failed is removed first.
 * @param parts told where the time goes
 * @throws `agent.interface-exists` if the pod has an interface of that name already, `agent.no-ipv6`, `kernel.…`
 */
export async function attachWire(
  machine: Machine,
  kernel: Kernel,
  spec: WireSpec,
  parts: AddParts = new AddParts(),
): Promise<WireEnds> {
  const pod = machine.open({ path: spec.netns });
  try {
    const ipv6 = hasIpv6(kernel);
    if (!ipv6 && familiesOf(spec.ips).has(6)) throw new TrunklineError("agent.no-ipv6", { ips: spec.ips });
    const host = await makeLinks(kernel, pod, spec);
    parts.ended("link");
    const podIndex = host.lower ?? 0;
    const main = freeFamilies(pod, podIndex, familiesOf(spec.ips));
    const ends = [setUpHostEnd(kernel, host, spec, ipv6), setUpPodEnd(pod, podIndex, spec, main, ipv6)];
    // Both to their ends, before the pod's handle is closed or the failed one is undone.
    for (const end of await Promise.allSettled(ends)) if (end.status === "rejected") throw end.reason;
    const rules = podRules(spec.ips, podIndex, main);
    if (rules.length > 0) putRules(pod, spec.ips, rules);
    parts.ended("ends");
    return { host, podIndex, main };
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

async function setUpHostEnd(kernel: Kernel, host: Link, spec: WireSpec, ipv6: boolean): Promise<void> {
  const families = familiesOf(spec.ips);
  if (families.has(6))
    for (const [name, value] of hostSettings6) kernel.sysctl.set(`net/ipv6/conf/${host.name}/${name}`, value);
  const link: LinkChange = {
    alias: spec.alias,
    // No address of the kernel's own making: its detection and its routes are noise on every wire.
    ...(ipv6 && { addressGeneration: "none" }),
    // route_localnet stays off: with it a pod could reach what listens on the node's loopback only.
    // The strict reverse path drops what the pod sends from others' IPv4 addresses, in the look-up that routes it anyway.
    ...(families.has(4) && { ipv4: hostSettings4 }),
  };
  await kernel.apply([
    { kind: "link", index: host.index, to: link },
    // Apart, and after them: of one request the kernel sets a link up first, and the pod's end may be up already.
    { kind: "link", index: host.index, to: { up: true } },
    ...(families.has(6) ? [{ kind: "address", address: hostAddress(host.index) } as const] : []),
    ...spec.ips.map((ip) => ({ kind: "route", route: hostRoute(ip, host.index) }) as const),
  ]);
}

async function setUpPodEnd(
  pod: Kernel,
  index: number,
  spec: WireSpec,
  main: Families,
  ipv6: boolean,
): Promise<void> {
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
    ...(ipv6 && !families.has(6) && { addressGeneration: "none" }),
  };
  await pod.apply([
    { kind: "link", index, to: link },
    { kind: "link", index, to: { up: true } },
    ...podAddresses(spec.ips, index).map((address) => ({ kind: "address", address }) as const),
    ...podRoutes(spec.ips, index, main).map((route) => ({ kind: "route", route }) as const),
    ...neighbours.map((neighbour) => ({ kind: "neighbour", neighbour }) as const),
  ]);
}

/** The host end's own address, for pods with IPv6. */
export function hostAddress(linkIndex: number): LinkAddress {
  return { linkIndex, address: `${GATEWAY6}/64`, scope: "link", noDad: true };
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

/**
 * Takes a pod off the network at once, without the wait that removing its link takes: the host's routes to it go.
 * Succeeds if they, or the link, are gone already.
 * @param hostIndex index of the host's end; undefined if it is gone
 */
export function cutWire(kernel: Kernel, hostIndex: number | undefined, ips: readonly string[]): void {
  if (hostIndex === undefined) return;
  for (const ip of ips) kernel.routes.remove(hostRoute(ip, hostIndex));
}

function gatewaysOf(families: Families): string[] {
  return [...(families.has(4) ? [GATEWAY4] : []), ...(families.has(6) ? [GATEWAY6] : [])];
}
