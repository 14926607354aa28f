// How marked packets get to the node that holds their address: a rule for the mark, and a table with one route.
import { type Kernel, ROUTE_PROTOCOL, type Route, type Rule } from "../../../kernel/kernel.ts";
import { STEER_MASK, steerMark } from "../../../plan/snat/nft.ts";
import type { SnatPlan } from "../../../plan/snat/types.ts";

/** After the local table (0), before the main table (32766) and other programs' usual places. */
export const STEER_RULE_PRIORITY = 840;
/** Tables 8401 to 8463 are ours: one for each steer. */
export const STEER_TABLE = 8400;

export interface SteerRouting {
  readonly rules: readonly Rule[];
  readonly routes: readonly Route[];
}

/**
 * Returns the rules and routes of the plan's steers that are in use, by way of the uplink.
 * @param families that the kernel has
 */
export function steerRouting(
  plan: SnatPlan,
  uplinkIndex: number,
  families: readonly (4 | 6)[] = [4, 6],
): SteerRouting {
  const used = new Set<string>();
  for (const pod of plan.pods.values())
    for (const { action } of pod.clauses) if (action.type === "steer") used.add(action.holder);
  const rules: Rule[] = [];
  const routes: Route[] = [];
  for (const { index, holder, via } of plan.steers) {
    if (!used.has(holder)) continue;
    const table = STEER_TABLE + index;
    for (const family of families) {
      const mark = { value: steerMark(index), mask: STEER_MASK };
      rules.push({ family, priority: STEER_RULE_PRIORITY, mark, table, protocol: ROUTE_PROTOCOL });
      const destination = family === 4 ? "0.0.0.0/0" : "::/0";
      const hop = via.find((one) => one.family === family);
      // Without a way to the holder the packets stop here: they must not leave with another address.
      const way = hop
        ? ({ type: "unicast", via: hop.address, linkIndex: uplinkIndex, onlink: true } as const)
        : ({ type: "unreachable" } as const);
      routes.push({ family, destination, ...way, table, protocol: ROUTE_PROTOCOL });
    }
  }
  return { rules, routes };
}

/** Adds what is missing; wanted rules come after the routes that they lead to. */
export function addSteerRouting(kernel: Kernel, wanted: SteerRouting): void {
  for (const route of wanted.routes) kernel.routes.replace(route);
  const present = ownRules(kernel);
  for (const rule of wanted.rules) if (!present.some((one) => sameRule(one, rule))) kernel.rules.add(rule);
}

/** Removes what is ours and not wanted: rules before the routes that they lead to. */
export function removeSteerRouting(kernel: Kernel, wanted: SteerRouting): void {
  for (const rule of ownRules(kernel)) {
    if (!wanted.rules.some((one) => sameRule(one, rule))) kernel.rules.remove(rule);
  }
  const tables = new Set(wanted.routes.map(({ table }) => table));
  for (let table = STEER_TABLE + 1; table <= STEER_TABLE + 63; table++) {
    if (tables.has(table)) continue;
    for (const route of kernel.routes.list({ table, protocol: ROUTE_PROTOCOL })) kernel.routes.remove(route);
  }
}

function ownRules(kernel: Kernel): Rule[] {
  return kernel.rules
    .list()
    .filter((rule) => rule.protocol === ROUTE_PROTOCOL && rule.priority === STEER_RULE_PRIORITY);
}

function sameRule(a: Rule, b: Rule): boolean {
  return a.family === b.family && a.table === b.table && a.mark?.value === b.mark?.value;
}
