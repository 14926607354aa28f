// Keeps the links of the node's interfaces, and the rules and routes that lead pods' traffic to them, equal to the plan.
import type { Logger } from "../../base/log.ts";
import { type Kernel, type Link, ROUTE_PROTOCOL, type Route, type Rule } from "../../kernel/kernel.ts";
import { sameRoute } from "../../kernel/route.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import {
  LAST_SUBNET_TABLE,
  planInterfaceRoutes,
  type RoutedInterface,
  STRAY_TABLE,
  type SubnetRouting,
  subnetRulePriorities,
} from "../../plan/subnets/interface-routes.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import type { OwnInterface } from "./pool-book.ts";

const priorities: ReadonlySet<number> = new Set(Object.values(subnetRulePriorities));

export interface InterfaceManagerOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  readonly interfaces: () => ReadonlyMap<string, OwnInterface>;
}

export class InterfaceManager implements Manager {
  readonly name = "interfaces";
  readonly concerns = ["link", "route", "rule"] as const;
  readonly #options: InterfaceManagerOptions;
  /** What is in force, as text. */
  #done = "";
  /** Tables that may have routes of ours. */
  #missing: readonly string[] = [];

  constructor(options: InterfaceManagerOptions) {
    this.#options = options;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, _changes: Changes): Promise<void> {
    const wanted = this.#plan(facts, node);
    const text = JSON.stringify(wanted);
    if (text === this.#done) return;
    this.#carryOut(wanted);
    this.#done = text;
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    const wanted = this.#plan(facts, node);
    // Where nothing is wanted and nothing was made there is nothing to compare.
    if (wanted.rules.length === 0 && this.#done === JSON.stringify(wanted)) return;
    this.#done = "";
    this.#carryOut(wanted);
    this.#done = JSON.stringify(wanted);
  }

  problems() {
    return this.#missing.map((id) => ({
      code: "interfaces.missing",
      message: `interface ${id} is attached, and the machine has no link with its MAC address`,
    }));
  }

  #plan(facts: ClusterFacts, node: NodeFacts): SubnetRouting {
    const { kernel, interfaces } = this.#options;
    const own = [...interfaces().values()];
    const links = own.length === 0 ? [] : kernel.links.list();
    const byMac = new Map<string, Link>();
    // A VLAN on an interface may have the same address; the interface itself comes first.
    for (const link of links) if (link.mac && !byMac.has(link.mac)) byMac.set(link.mac, link);
    const missing: string[] = [];
    const routed = own.map(({ id, mac, slot, vSwitchID, cidr, gateway, addresses }): RoutedInterface => {
      const link = byMac.get(mac);
      if (link) this.#setUp(link);
      else missing.push(id);
      return {
        slot,
        vSwitchID,
        cidr,
        gateway,
        addresses,
        link: link && { index: link.index, name: link.name },
      };
    });
    this.#missing = missing;
    const pods = [...node.endpoints.values()].flatMap(({ ips }) => ips);
    const pools = [...facts.pools.values()].map(({ spec }) => spec.cidr).toSorted();
    return planInterfaceRoutes(routed, pods, pools);
  }

  #setUp(link: Link): void {
    const { kernel } = this.#options;
    // The answer to what left by another interface comes in by this one.
    const loose = "2";
    if (kernel.sysctl.get(`net/ipv4/conf/${link.name}/rp_filter`) !== loose)
      kernel.links.change(link.index, { ipv4: { reversePath: "loose", forwarding: true } });
    if (!link.up) kernel.links.change(link.index, { up: true });
  }

  #carryOut({ rules, routes }: SubnetRouting): void {
    const { kernel, logger } = this.#options;
    const tables = new Map<number, Route>();
    for (const route of routes) tables.set(route.table, route);
    const before = this.#ownRules();
    const used = new Set([...tables.keys(), ...before.map(({ table }) => table)]);
    for (const route of routes) {
      const present = kernel.routes.list({ table: route.table, family: 4 });
      if (!present.some((one) => one.type === route.type && sameRoute(one, route)))
        kernel.routes.replace(route);
    }
    for (const rule of rules) if (!before.some((one) => sameRule(one, rule))) kernel.rules.add(rule);
    for (const rule of before)
      if (!rules.some((one) => sameRule(one, rule))) {
        logger.info({ priority: rule.priority, from: rule.from, table: rule.table }, "a rule is removed");
        kernel.rules.remove(rule);
      }
    for (const table of used) {
      if (tables.has(table) || table < STRAY_TABLE || table > LAST_SUBNET_TABLE) continue;
      for (const route of kernel.routes.list({ table, protocol: ROUTE_PROTOCOL }))
        kernel.routes.remove(route);
    }
  }

  #ownRules(): Rule[] {
    return this.#options.kernel.rules
      .list(4)
      .filter(({ protocol, priority }) => protocol === ROUTE_PROTOCOL && priorities.has(priority));
  }
}

function sameRule(a: Rule, b: Rule): boolean {
  return (
    a.priority === b.priority &&
    a.table === b.table &&
    a.from === b.from &&
    a.to === b.to &&
    a.incoming === b.incoming &&
    a.suppressPrefixLength === b.suppressPrefixLength
  );
}
