// How pods' traffic leaves by the interface that their addresses stand on: the cloud takes an address from its own
// interface only. A table an interface, and rules that choose among them by the source. It is the same for shared
// interfaces and for those that a pod has to itself (exclusive ones, members of a trunk): these stay in the node, too, so
// that policies, source translation and counters find every pod at the end of one kind of wire.
//
// In the order of the rules: what goes to a pod of this node, and what goes to pods of block pools, by the main table, as if
// there were no subnets; then by source to the interface's gateway, also towards other nodes. What comes in by an interface
// for an address that no pod has ends there, or it would go round by the node's default route.
import { tryParseCidr } from "../../base/ip.ts";
import { MAIN_TABLE, ROUTE_PROTOCOL, type Route, type Rule } from "../../kernel/kernel.ts";

/** After the rule for marked packets (840), before the main table (32766). */
export const subnetRulePriorities = { local: 850, blocks: 851, stray: 852, pod: 853, subnet: 854 } as const;
/** Nothing leads out of it. */
export const STRAY_TABLE = 8500;
/** Tables 8501 to 8999 are ours: one for each interface, by its slot. */
export const LAST_SUBNET_TABLE = 8999;

/** Of what is left in an interface's table when its link is gone or down. */
const LAST_METRIC = 8192;

export interface RoutedInterface {
  readonly slot: number;
  readonly vSwitchID: string;
  readonly cidr: string;
  readonly gateway: string;
  readonly addresses: readonly string[];
  /** One pod has it to itself: an exclusive interface, or a member of the node's trunk. */
  readonly own?: true;
  /** Where the node's kernel has it; undefined while it is not there. */
  readonly link: { readonly index: number; readonly name: string } | undefined;
}

export interface SubnetRouting {
  readonly rules: readonly Rule[];
  readonly routes: readonly Route[];
}

/**
 * Returns the rules and routes of a node's interfaces.
 * @param pods addresses of the pods that are on this node
 * @param pools ranges of block pools
 */
export function planInterfaceRoutes(
  interfaces: readonly RoutedInterface[],
  pods: Iterable<string>,
  pools: readonly string[],
): SubnetRouting {
  const here = interfaces.toSorted((a, b) => a.slot - b.slot);
  const rules: Rule[] = [];
  const routes: Route[] = [];
  if (here.length === 0) return { rules, routes };
  const rule = (priority: number, table: number, more: Partial<Rule>) =>
    rules.push({ family: 4, priority, table, protocol: ROUTE_PROTOCOL, ...more });
  const common = { family: 4, protocol: ROUTE_PROTOCOL, destination: "0.0.0.0/0" } as const;
  const ranges = new Map<string, RoutedInterface>();
  for (const one of here) if (!one.own && !ranges.has(one.cidr)) ranges.set(one.cidr, one);
  // Of the main table only the pods' own routes count.
  for (const cidr of new Set(here.map((one) => one.cidr)))
    rule(subnetRulePriorities.local, MAIN_TABLE, { to: cidr, suppressPrefixLength: 31 });
  for (const [cidr, first] of ranges) rule(subnetRulePriorities.subnet, tableOf(first), { from: cidr });
  for (const pool of pools)
    if (tryParseCidr(pool)?.family === 4) rule(subnetRulePriorities.blocks, MAIN_TABLE, { to: pool });
  for (const one of here) {
    const table = tableOf(one);
    // An interface that is not there carries nothing: what is sent from its addresses must not leave by another.
    const way = one.link
      ? ({ type: "unicast", via: one.gateway, linkIndex: one.link.index, onlink: true } as const)
      : ({ type: "unreachable" } as const);
    routes.push({ ...common, ...way, table });
    // The kernel takes that route away with the link, and when the link is put down.
    routes.push({ ...common, type: "unreachable", table, metric: LAST_METRIC });
    if (one.link) rule(subnetRulePriorities.stray, STRAY_TABLE, { incoming: one.link.name });
  }
  routes.push({ ...common, type: "blackhole", table: STRAY_TABLE });
  const owners = new Map(here.flatMap((one) => one.addresses.map((address) => [address, one] as const)));
  // What a pod has to itself is its own before the pod's end is there: nothing of it leaves by another interface.
  const addressed = new Set([...pods, ...here.flatMap((one) => (one.own ? one.addresses : []))]);
  for (const address of [...addressed].toSorted()) {
    const owner = owners.get(address);
    // The first shared interface of a range takes all of it.
    if (owner && ranges.get(owner.cidr) !== owner)
      rule(subnetRulePriorities.pod, tableOf(owner), { from: `${address}/32` });
  }
  return { rules, routes };
}

export function tableOf({ slot }: Pick<RoutedInterface, "slot">): number {
  return STRAY_TABLE + slot;
}
