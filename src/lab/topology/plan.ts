// From a lab file to namespaces, wires, addresses and routes: pure, so that it can be printed and tested without a kernel.
import { createHash } from "node:crypto";
import { cidrContains, type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import type { LabFile, LabNetwork } from "../file/lab-file.ts";
import { withSubnets } from "../subnets/with-subnets.ts";

export interface Topology {
  readonly lans: readonly LanPlan[];
  readonly members: readonly MemberPlan[];
}

/** A network: a bridge in a namespace of its own, so that no traffic of it passes anybody's filters. */
export interface LanPlan {
  readonly name: string;
  readonly netns: string;
  readonly mtu: number;
}

export interface MemberPlan {
  readonly name: string;
  readonly role: "node" | "router" | "host";
  readonly netns: string;
  readonly interfaces: readonly InterfacePlan[];
  readonly routes: readonly RoutePlan[];
  /** Passes on packets that are not for itself. */
  readonly forwards: boolean;
}

export interface InterfacePlan {
  /** `eth0`, `eth1`, … inside the member. */
  readonly name: string;
  readonly lan: LanPlan;
  /** The bridge's end of the wire. */
  readonly port: string;
  /** `address/length` */
  readonly addresses: readonly string[];
}

export interface RoutePlan {
  readonly to: string;
  readonly via: string;
  /** The interface on whose network `via` is. */
  readonly interface: string;
}

/**
 * Returns the name of a lab's namespace. Pods' names and networks' begin with `pod-` and `lan-`, which members' cannot.
 * No two pairs have one name: where the member's has a `-`, a `.`, which no name has, says where the lab's ends.
 */
export function netnsName(lab: string, member: string): string {
  return `tl-${lab}${member.includes("-") ? "." : "-"}${member}`;
}

/** Returns whether that is the name of a pod's namespace in a lab. */
export function isPodNetns(lab: string, name: string): boolean {
  const start = netnsName(lab, "pod-");
  return name.startsWith(start) && /^[0-9a-f]{12}$/.test(name.slice(start.length));
}

/** Lays out a checked lab file. */
export function planTopology(file: LabFile): Topology {
  const lab = withSubnets(file);
  const lans = new Map<LabNetwork, LanPlan>(
    lab.networks.map((network) => [
      network,
      { name: network.name, netns: netnsName(lab.name, `lan-${network.name}`), mtu: network.mtu },
    ]),
  );
  const member = (
    role: MemberPlan["role"],
    { name, addresses }: { name: string; addresses: readonly string[] },
    extra: LabFile["routers"][number]["routes"] = [],
  ): MemberPlan => {
    const interfaces = lab.networks
      .map((network) => ({ network, own: addressesIn(network, addresses) }))
      .filter(({ own }) => own.length > 0)
      // eth0 is where the first address is, whatever the order of networks.
      .toSorted((a, b) => a.own[0]!.rank - b.own[0]!.rank)
      .map(({ network, own }, at) => ({
        name: `eth${at}`,
        lan: lans.get(network)!,
        port: portName(`${name} ${at}`),
        addresses: own.map((entry) => entry.withLength),
      }));
    const routes = [
      ...extra.map((route) => ({ ...route, interface: interfaceTowards(interfaces, route.via) })),
      ...(role === "router" ? [] : defaultRoutes(lab, interfaces)),
    ];
    const forwards = role !== "host";
    return { name, role, netns: netnsName(lab.name, name), interfaces, routes, forwards };
  };
  const members = [
    ...lab.routers.map((router) => member("router", router, router.routes)),
    ...lab.nodes.map((node) => member("node", node)),
    ...lab.hosts.map((host) => member("host", host)),
  ];
  return { lans: [...lans.values()], members };
}

/** Within a link name's 15 letters, and the same whoever else is in the lab: members come and go while it runs. */
function portName(of: string): string {
  return `p${createHash("sha256").update(of).digest("hex").slice(0, 13)}`;
}

function addressesIn(network: LabNetwork, addresses: readonly string[]) {
  return addresses.flatMap((text, rank) => {
    const range = rangeOf(network, parseIp(text));
    return range === undefined ? [] : [{ rank, withLength: `${text}/${range.length}` }];
  });
}

function rangeOf(network: LabNetwork, ip: Ip) {
  return network.cidrs.map(parseCidr).find((range) => cidrContains(range, ip));
}

function interfaceTowards(interfaces: readonly InterfacePlan[], via: string): string {
  const gateway = parseIp(via);
  const found = interfaces.find((link) => link.addresses.some((address) => sameNetwork(address, gateway)));
  // The check of the lab file has made sure that there is one.
  return found?.name ?? interfaces[0]!.name;
}

function sameNetwork(withLength: string, ip: Ip): boolean {
  const [own, length] = withLength.split("/");
  const base = parseIp(own!);
  const shift = BigInt((base.family === 4 ? 32 : 128) - Number(length));
  return base.family === ip.family && base.value >> shift === ip.value >> shift;
}

/** Nodes and hosts send what they do not know to the first router on one of their networks, for each family. */
function defaultRoutes(lab: LabFile, interfaces: readonly InterfacePlan[]): RoutePlan[] {
  const routes: RoutePlan[] = [];
  for (const [family, to] of [
    [4, "0.0.0.0/0"],
    [6, "::/0"],
  ] as const) {
    const gateways = lab.routers
      .flatMap((router) => router.addresses)
      .filter((text) => parseIp(text).family === family);
    const found = interfaces
      .flatMap((link) => link.addresses.map((address) => ({ link, address })))
      .flatMap(({ link, address }) => {
        const via = gateways.find((gateway) => sameNetwork(address, parseIp(gateway)));
        return via === undefined ? [] : [{ to, via, interface: link.name }];
      });
    if (found[0]) routes.push(found[0]);
  }
  return routes;
}
