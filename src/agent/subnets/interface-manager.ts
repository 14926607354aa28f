// Keeps the links of the node's interfaces, and the rules and routes that lead pods' traffic to them, equal to the plan.
import { equalJson } from "../../api/equal.ts";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Plugs } from "../../cloud/provider.ts";
import { type Kernel, ROUTE_PROTOCOL, type Route, type Rule } from "../../kernel/kernel.ts";
import { sameRoute } from "../../kernel/route.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { poolRanges } from "../../plan/snat/ranges.ts";
import {
  LAST_SUBNET_TABLE,
  planInterfaceRoutes,
  type RoutedInterface,
  STRAY_TABLE,
  type SubnetRouting,
  subnetRulePriorities,
} from "../../plan/subnets/interface-routes.ts";
import { ALL_LINKS, reversePathCondition } from "../../plan/subnets/reverse-path.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import { isOwnVlan, linksByMac, ownLink, setUpLink } from "./interface-links.ts";
import type { OwnWire } from "./own/own-book.ts";
import type { OwnInterface } from "./pool/pool-book.ts";

/** Kinds by which nothing is planned here. */
const elsewhere: ReadonlySet<string> = new Set(["pods", "nodeconfigs", "networkpolicies", "namespaces"]);
const priorities: ReadonlySet<number> = new Set(Object.values(subnetRulePriorities));

export interface InterfaceManagerOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  /** Shared by pods. */
  readonly interfaces: () => ReadonlyMap<string, OwnInterface>;
  /** Each with one pod. */
  readonly own: () => ReadonlyMap<string, OwnWire>;
  /** Says on the node what keeps traffic from its interfaces; called whenever that is another thing. */
  readonly tell?: (condition: ReturnType<typeof reversePathCondition>) => void;
  /** Who makes the links, where the provider does not. */
  readonly plugs?: Plugs | undefined;
}

interface Found {
  /** Interfaces are never changed in place. */
  readonly madeOf: readonly (OwnInterface | OwnWire | null)[];
  readonly routed: readonly RoutedInterface[];
}

export class InterfaceManager implements Manager {
  readonly name = "interfaces";
  readonly concerns = ["link", "route", "rule"] as const;
  readonly #options: InterfaceManagerOptions;
  /** What is in force; undefined where the kernel must be asked. */
  #done: SubnetRouting | undefined;
  /** Where interfaces' links were found, and for which interfaces that was. */
  #found: Found | undefined;
  /** Interfaces without a link, and why. */
  #missing: readonly string[] = [];
  /** Links that could not be made. */
  #unplugged: readonly string[] = [];
  /** Interfaces whose links were made, with their addresses. */
  #plugged = "";
  /** What was told of the filter for all links; undefined where nothing was. */
  #filter: ReturnType<typeof reversePathCondition> | undefined;
  /** Ids of interfaces that may have links. */
  #tidied = "";
  /** There may be VLANs of ours that no pod has. */
  #mayHaveVlans = true;
  #last: readonly [ClusterFacts, NodeFacts] | undefined;

  constructor(options: InterfaceManagerOptions) {
    this.#options = options;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    this.#last = [facts, node];
    // Most of what a cluster says is of pods and interfaces elsewhere; those of this node come as endpoints, and by touch().
    const isElsewhere = changes.size > 0 && [...changes.keys()].every((kind) => elsewhere.has(kind));
    const ids = this.#ids();
    const isTidy = this.#tidied === ids.join(" ");
    if (isElsewhere && isTidy && this.#done && this.#missing.length + this.#unplugged.length === 0) return;
    this.#follow(facts, node);
    if (isTidy) return;
    this.#lookAtFilter(ids.length > 0, facts.pools.size > 0);
    await this.#tidy();
  }

  /**
   * Interfaces have changed, and what is known of the node else is as it was. The cluster may never hear of it: what came and
   * went at once is in no object. Links of those that have gone go. Never throws: who gives addresses out and takes them back
   * has done so, and what the kernel refuses meanwhile (a link that has just gone) is for the next round.
   */
  touch(): void {
    if (!this.#last) return;
    const later = (error: unknown) => {
      this.#done = undefined;
      this.#options.logger.warn(
        { error: textOf(error) },
        "interfaces have changed and could not be followed",
      );
    };
    try {
      this.#follow(...this.#last);
      if (this.#tidied !== this.#ids().join(" ")) this.#tidy().catch(later);
    } catch (error) {
      later(error);
    }
  }

  #follow(facts: ClusterFacts, node: NodeFacts): void {
    const wanted = this.#plan(facts, node);
    const before = this.#done;
    this.#done = undefined;
    // Pods come and go all the time: what differs is seldom more than the rule of one of them.
    if (before && equalJson(wanted.routes, before.routes)) this.#changeRules(wanted.rules, before.rules);
    else this.#carryOut(wanted);
    this.#done = wanted;
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    this.#last = [facts, node];
    this.#plugged = "";
    this.#found = undefined;
    const wanted = this.#plan(facts, node);
    this.#lookAtFilter(this.#ids().length > 0, facts.pools.size > 0);
    await this.#removeVlans();
    await this.#tidy();
    // Where nothing is wanted and nothing was made there is nothing to compare.
    if (wanted.rules.length === 0 && this.#done && equalJson(wanted, this.#done)) return;
    this.#done = undefined;
    this.#carryOut(wanted);
    this.#done = wanted;
  }

  problems() {
    const told = (code: string, all: readonly string[]) =>
      all.map((what) => ({ code, message: `interface ${what}` }));
    const { status, message = "" } = this.#filter ?? { status: "True" };
    const filtered = status === "True" ? [] : [{ code: "interfaces.reverse-path", message }];
    return [
      ...told("interfaces.unplugged", this.#unplugged),
      ...told("interfaces.missing", this.#missing),
      ...filtered,
    ];
  }

  /** A node that never had an interface says nothing. */
  #lookAtFilter(hasInterfaces: boolean, hasPools: boolean): void {
    const { kernel, tell } = this.#options;
    if (!hasInterfaces && !this.#filter) return;
    const now = reversePathCondition(
      hasInterfaces ? (kernel.sysctl.get(ALL_LINKS) ?? "0").trim() : "0",
      hasPools,
    );
    if (this.#filter?.message === now.message) return;
    this.#filter = now;
    tell?.(now);
  }

  /** Where the same is wanted as before, and nothing has happened to links, nothing is to be done. */
  #plug(shared: readonly OwnInterface[], wires: readonly OwnWire[]): void {
    const { plugs, kernel } = this.#options;
    if (!plugs) return;
    const wanted = [...shared, ...wires.map((wire) => ({ ...wire, addresses: [wire.address] }))];
    const text = wanted.map(({ id, addresses }) => `${id} ${addresses.join(" ")}`).join("\n");
    if (text === this.#plugged) return;
    this.#unplugged = plugs.sync(kernel, wanted);
    this.#plugged = this.#unplugged.length === 0 ? text : "";
  }

  /** Links of interfaces that the node has no more go. */
  async #tidy(): Promise<void> {
    const { plugs, kernel } = this.#options;
    const ids = this.#ids();
    await plugs?.tidy(kernel, new Set(ids));
    this.#tidied = ids.join(" ");
  }

  #ids(): readonly string[] {
    const { interfaces, own } = this.#options;
    return [...interfaces().keys(), ...[...own().values()].map(({ id }) => id)];
  }

  #plan(facts: ClusterFacts, node: NodeFacts): SubnetRouting {
    const { interfaces, own } = this.#options;
    const shared = [...interfaces().values()];
    const wires = [...own().values()];
    this.#plug(shared, wires);
    const routed = this.#routed(shared, wires);
    const pods = [...node.endpoints.values()].flatMap(({ ips }) => ips);
    // Without interfaces nothing is planned, and blocks are many.
    const ranges = routed.length === 0 ? [] : poolRanges(facts);
    return planInterfaceRoutes(routed, pods, ranges);
  }

  /** Looks for the interfaces' links, and sees to it that they are up; again only where one was missing, or something happened. */
  #routed(shared: readonly OwnInterface[], wires: readonly OwnWire[]): readonly RoutedInterface[] {
    const { kernel } = this.#options;
    const madeOf = [...shared, null, ...wires];
    const before = this.#found;
    const isSame =
      before?.madeOf.length === madeOf.length && before.madeOf.every((one, at) => one === madeOf[at]);
    if (before && isSame && this.#missing.length === 0) return before.routed;
    const missing: string[] = [];
    const links = shared.length + wires.length === 0 ? [] : kernel.links.list();
    const byMac = linksByMac(links);
    const routed = shared.map(({ id, mac, slot, vSwitchID, cidr, gateway, addresses }): RoutedInterface => {
      const link = byMac.get(mac);
      if (link) setUpLink(kernel, link);
      else missing.push(`${id} is attached, and the machine has no link with its MAC address`);
      const where = link && { index: link.index, name: link.name };
      return { slot, vSwitchID, cidr, gateway, addresses, link: where };
    });
    for (const wire of wires) {
      const { slot, vSwitchID, cidr, gateway, address } = wire;
      const link = ownLink(kernel, wire, links);
      if (typeof link === "string") missing.push(`${wire.id} is pod ${wire.pod}'s, and ${link}`);
      else setUpLink(kernel, link);
      const where = typeof link === "string" ? undefined : { index: link.index, name: link.name };
      routed.push({ slot, vSwitchID, cidr, gateway, addresses: [address], own: true, link: where });
    }
    this.#missing = missing;
    this.#mayHaveVlans ||= wires.some(({ kind }) => kind === "trunk");
    this.#found = { madeOf, routed };
    return routed;
  }

  /** VLANs of members that no pod has any more: whoever removed them died before it came to that. */
  async #removeVlans(): Promise<void> {
    const { kernel, own, logger } = this.#options;
    if (!this.#mayHaveVlans) return;
    const wanted = new Set([...own().values()].map(({ vid }) => `tlv${vid}`));
    for (const link of kernel.links.list()) {
      if (!isOwnVlan(link) || wanted.has(link.name)) continue;
      logger.info({ link: link.name }, "a VLAN without a pod is removed");
      await kernel.links.remove(link.index);
    }
    this.#mayHaveVlans = own().size > 0;
  }

  #changeRules(wanted: readonly Rule[], before: readonly Rule[]): void {
    const { kernel } = this.#options;
    const [after, earlier] = [byText(wanted), byText(before)];
    for (const [text, rule] of after) if (!earlier.has(text)) kernel.rules.add(rule);
    for (const [text, rule] of earlier) if (!after.has(text)) kernel.rules.remove(rule);
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

function byText(rules: readonly Rule[]): ReadonlyMap<string, Rule> {
  return new Map(rules.map((rule) => [JSON.stringify(rule), rule]));
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
