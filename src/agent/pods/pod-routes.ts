// What ADD puts into a pod's own routing. The first interface has the pod's default route; a further one takes nothing
// that another interface has, whoever made it: what is sent from its addresses, and nothing else, goes out by it, through a
// table and a rule of its own.
import { parseIp } from "../../base/ip.ts";
import { type Kernel, MAIN_TABLE, ROUTE_PROTOCOL, type Route, type Rule } from "../../kernel/kernel.ts";

/** The host end's addresses, the same on every wire: the IPv6 one is 169.254.1.1 once more for whoever reads it. */
export const GATEWAY4 = "169.254.1.1";
export const GATEWAY6 = "fe80::a9fe:101";

export type Families = ReadonlySet<4 | 6>;

/** Before the main table. Of a pod's own namespace, so it meets nobody's but what the pod itself may set. */
const SIDE_RULE_PRIORITY = 840;
/** One table for each further interface, by its index: the next interface never has an index that is in use. */
const SIDE_TABLE = 0x544c0000;

/** Where the pod's default routes lead, by family. */
const defaults = { 4: "0.0.0.0/0", 6: "::/0" } as const;

export function familiesOf(ips: readonly string[]): Families {
  return new Set(ips.map((ip) => parseIp(ip).family));
}

/** Returns the families whose default route (and whose way to our gateway) no other interface of the pod has. */
export function freeFamilies(pod: Kernel, linkIndex: number, families: Families): Families {
  const free = new Set<4 | 6>();
  for (const family of families) {
    const ours: readonly string[] = [defaults[family], ...(family === 4 ? [`${GATEWAY4}/32`] : [])];
    const others = pod.routes
      .list({ family, table: MAIN_TABLE })
      .filter((route) => route.linkIndex !== linkIndex && ours.includes(route.destination));
    if (others.length === 0) free.add(family);
  }
  return free;
}

/** Returns the families whose default route is an interface's. */
export function ownedFamilies(pod: Kernel, linkIndex: number): Families {
  const owned = pod.routes
    .list({ table: MAIN_TABLE })
    .filter((route) => route.linkIndex === linkIndex && route.destination === defaults[route.family]);
  return new Set(owned.map(({ family }) => family));
}

/**
 * Returns an interface's routes in its pod: to the gateway on the link, and through it to everything.
 * @param main families whose default route is this interface's
 */
export function podRoutes(ips: readonly string[], linkIndex: number, main: Families): Route[] {
  const common = { type: "unicast", linkIndex, protocol: ROUTE_PROTOCOL } as const;
  return [...familiesOf(ips)].flatMap((family): Route[] => {
    const via = family === 4 ? GATEWAY4 : GATEWAY6;
    const way = { ...common, family, destination: defaults[family], via };
    if (!main.has(family))
      return [{ ...way, table: sideTable(linkIndex), ...(family === 4 && { onlink: true }) }];
    const table = MAIN_TABLE;
    const gateway = { ...common, family, destination: `${GATEWAY4}/32`, table };
    return family === 4 ? [gateway, { ...way, table }] : [{ ...way, table }];
  });
}

/** Returns the rules that lead what is sent from an interface's addresses to its own table. */
export function podRules(ips: readonly string[], linkIndex: number, main: Families): Rule[] {
  return ips.flatMap((ip) => {
    const { family } = parseIp(ip);
    if (main.has(family)) return [];
    const from = `${ip}/${family === 4 ? 32 : 128}`;
    const table = sideTable(linkIndex);
    return [{ family, priority: SIDE_RULE_PRIORITY, from, table, protocol: ROUTE_PROTOCOL }];
  });
}

/** Makes the rules of those addresses in a pod exactly these. */
export function putRules(pod: Kernel, ips: readonly string[], wanted: readonly Rule[]): void {
  const present = ownRules(pod, ips);
  for (const rule of present) if (!wanted.some((one) => sameRule(one, rule))) pod.rules.remove(rule);
  for (const rule of wanted) if (!present.some((one) => sameRule(one, rule))) pod.rules.add(rule);
}

/** Returns our rules for what is sent from those addresses. */
export function ownRules(pod: Kernel, ips: readonly string[]): Rule[] {
  const sources = new Set(ips.map((ip) => `${ip}/${parseIp(ip).family === 4 ? 32 : 128}`));
  return pod.rules
    .list()
    .filter(({ protocol, from }) => protocol === ROUTE_PROTOCOL && from !== undefined && sources.has(from));
}

export function sameRule(a: Rule, b: Rule): boolean {
  return a.family === b.family && a.from === b.from && a.table === b.table && a.priority === b.priority;
}

function sideTable(linkIndex: number): number {
  return SIDE_TABLE + linkIndex;
}
