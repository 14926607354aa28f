// Makes a planned topology on this machine: namespaces first, then wires, addresses and routes.
import { setImmediate as breathe } from "node:timers/promises";
import { hasIpv6 } from "../../kernel/ipv6.ts";
import type { Kernel, Machine } from "../../kernel/kernel.ts";
import { MAIN_TABLE } from "../../kernel/kernel.ts";
import { sendAllErrors } from "./icmp.ts";
import type { InterfacePlan, LanPlan, MemberPlan, RoutePlan, Topology } from "./plan.ts";

const BRIDGE = "lan";
/** rtnetlink's RTPROT_STATIC: made by an administrator, here the lab. */
const STATIC = 4;

export interface BuiltMember {
  readonly plan: MemberPlan;
  readonly kernel: Kernel;
}

export interface BuiltTopology {
  readonly members: ReadonlyMap<string, BuiltMember>;
  /** Makes one more member on the networks that are there, or nothing. @throws as buildTopology */
  add(plan: MemberPlan): Promise<BuiltMember>;
  /** A member is planned otherwise now; what its namespace has was changed already. */
  replan(plan: MemberPlan): void;
  /** Takes a member's wires away, frees its handle and removes its namespace. */
  remove(name: string): Promise<void>;
  /** Frees the handles; the namespaces stay. */
  close(): void;
}

/** Returns the names of all namespaces that a topology takes. */
export function namespacesOf(topology: Topology): string[] {
  return [...topology.lans, ...topology.members].map(({ netns }) => netns);
}

/**
 * Builds everything; `mark` tells whose the namespaces are. What fails half-way leaves namespaces behind: the caller clears them away by namespacesOf.
 * @throws `kernel.exists`, `kernel.permission`, `kernel.refused`
 */
export async function buildTopology(
  machine: Machine,
  topology: Topology,
  mark?: string,
): Promise<BuiltTopology> {
  const bridges = new Map<string, Kernel>();
  const members = new Map<string, BuiltMember>();
  const close = (): void => {
    for (const kernel of bridges.values()) kernel.close();
    for (const { kernel } of members.values()) kernel.close();
    bridges.clear();
  };
  try {
    for (const lan of topology.lans) bridges.set(lan.netns, buildLan(machine, lan, mark));
    for (const plan of topology.members) {
      members.set(plan.name, { plan, kernel: buildMember(machine, plan, bridges, mark) });
      // Every namespace is some milliseconds of waiting for the kernel: signals and others get their turn.
      await breathe();
    }
  } catch (error) {
    close();
    throw error;
  }
  for (const kernel of bridges.values()) kernel.close();
  bridges.clear();
  return {
    members,
    async add(plan) {
      const member = { plan, kernel: await addMember(machine, plan, mark) };
      members.set(plan.name, member);
      return member;
    },
    replan(plan) {
      const member = members.get(plan.name);
      if (member) members.set(plan.name, { ...member, plan });
    },
    async remove(name) {
      const member = members.get(name);
      if (!member) return;
      members.delete(name);
      await removeMember(machine, member);
    },
    close,
  };
}

async function addMember(machine: Machine, plan: MemberPlan, mark: string | undefined): Promise<Kernel> {
  const bridges = new Map<string, Kernel>();
  let kernel: Kernel | undefined;
  try {
    for (const { lan } of plan.interfaces) bridges.set(lan.netns, machine.open({ name: lan.netns }));
    kernel = openMember(machine, plan, mark);
    furnish(kernel, plan, bridges);
    return kernel;
  } catch (error) {
    // Without a handle the namespace is not ours.
    if (kernel) await removeMember(machine, { plan, kernel });
    throw error;
  } finally {
    for (const bridge of bridges.values()) bridge.close();
  }
}

/**
 * A namespace lives on, and answers, for as long as anything holds it (a shell in it, a descriptor of somebody's): its
 * wires go first, so that nobody hears of it any more and their other ends are free.
 */
async function removeMember(machine: Machine, { plan, kernel }: BuiltMember): Promise<void> {
  try {
    const wires = kernel.links.list().filter(({ kind }) => kind === "veth");
    await Promise.all(wires.map(({ index }) => kernel.links.remove(index)));
  } finally {
    kernel.close();
    await machine.removeNetns(plan.netns);
  }
}

function buildLan(machine: Machine, { netns, name, mtu }: LanPlan, mark: string | undefined): Kernel {
  machine.createNetns(netns, mark);
  const kernel = machine.open({ name: netns });
  // A wire has no addresses of its own.
  if (hasIpv6(kernel)) kernel.sysctl.set("net/ipv6/conf/default/disable_ipv6", 1);
  kernel.links.add({ kind: "bridge", name: BRIDGE, mtu, up: true, alias: name });
  return kernel;
}

function buildMember(
  machine: Machine,
  plan: MemberPlan,
  bridges: ReadonlyMap<string, Kernel>,
  mark: string | undefined,
): Kernel {
  const kernel = openMember(machine, plan, mark);
  furnish(kernel, plan, bridges);
  return kernel;
}

function openMember(machine: Machine, { netns }: MemberPlan, mark: string | undefined): Kernel {
  machine.createNetns(netns, mark);
  return machine.open({ name: netns });
}

function furnish(kernel: Kernel, plan: MemberPlan, bridges: ReadonlyMap<string, Kernel>): void {
  setUpStack(kernel, plan.forwards);
  const indexes = new Map<string, number>();
  for (const link of plan.interfaces) {
    const bridge = bridges.get(link.lan.netns);
    if (bridge) indexes.set(link.name, plugIn(kernel, bridge, plan, link));
  }
  for (const route of plan.routes) addRoute(kernel, route, indexes.get(route.interface));
}

function setUpStack(kernel: Kernel, forwards: boolean): void {
  const on = forwards ? 1 : 0;
  kernel.sysctl.set("net/ipv4/ip_forward", on);
  const ipv6 = hasIpv6(kernel);
  if (ipv6) kernel.sysctl.set("net/ipv6/conf/all/forwarding", on);
  for (const which of ["all", "default"]) {
    // What a new namespace starts with is the machine's own setting: the lab must be the same everywhere.
    kernel.sysctl.set(`net/ipv4/conf/${which}/rp_filter`, 0);
    // Where packets go is what routes say, and not what a router has told of a shorter way before.
    kernel.sysctl.set(`net/ipv4/conf/${which}/accept_redirects`, 0);
    if (!ipv6) continue;
    kernel.sysctl.set(`net/ipv6/conf/${which}/accept_redirects`, 0);
    // Addresses are known to be free, and must be usable at once.
    kernel.sysctl.set(`net/ipv6/conf/${which}/accept_dad`, 0);
    kernel.sysctl.set(`net/ipv6/conf/${which}/accept_ra`, 0);
  }
  sendAllErrors(kernel);
}

function plugIn(kernel: Kernel, bridge: Kernel, plan: MemberPlan, link: InterfacePlan): number {
  const { mtu } = link.lan;
  const { index } = kernel.links.add({
    kind: "veth",
    name: link.name,
    mtu,
    up: true,
    alias: `network ${link.lan.name}`,
    peer: { name: link.port, netns: { name: link.lan.netns }, mtu, up: true },
  });
  const master = bridge.links.get(BRIDGE)?.index;
  bridge.links.change(link.port, { alias: plan.name, ...(master !== undefined && { master }) });
  for (const address of link.addresses) {
    kernel.addresses.add({ linkIndex: index, address, scope: "global", noDad: true });
  }
  return index;
}

/** Gives a member's link another address in place of one; what the member knows of routes stays. */
export function readdress({ kernel, plan }: BuiltMember, before: string, after: string): void {
  const link = plan.interfaces.find(({ addresses }) => addresses.includes(before));
  const index = link && kernel.links.get(link.name)?.index;
  if (link === undefined || index === undefined) return;
  // Else the kernel takes all addresses of a network away with the first of them.
  kernel.sysctl.set(`net/ipv4/conf/${link.name}/promote_secondaries`, 1);
  kernel.addresses.add({ linkIndex: index, address: after, scope: "global", noDad: true });
  kernel.addresses.remove({ linkIndex: index, address: before, scope: "global" });
  for (const route of plan.routes) {
    if (route.interface === link.name) addRoute(kernel, route, index);
  }
}

function addRoute(kernel: Kernel, { to, via }: RoutePlan, linkIndex: number | undefined): void {
  kernel.routes.replace({
    family: to.includes(":") ? 6 : 4,
    destination: to,
    type: "unicast",
    via,
    protocol: STATIC,
    table: MAIN_TABLE,
    ...(linkIndex !== undefined && { linkIndex }),
  });
}
