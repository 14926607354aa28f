// The node's rules as nftables state. Few fixed rules dispatch by maps; what grows are elements.
//
// A connection's first packet costs the same however many policies select its pods. At each end: address to chain (who is
// it, is it isolated), peer's address to class number, and whether the class may use this port of the own address: few
// single ports are elements of one set (class, address, protocol, port), which costs a policy an element and no chain;
// any other ports are a chain that class and address lead to, one for all that allow the same. Ranges of addresses
// (ipBlock) are one more look-up, in a map of ranges without overlap.
//
// The class number travels from one look-up to the next in the packet's priority, the one field that nft can both write
// and use in a key and that nobody relies on for the first packet of a connection: forwarding has just set it from the
// type of service, and an accepted packet gets 0 (best effort) back. Marks belong to others (kube-proxy, SourceNAT).
//
// What each part answers for:
// - pod-source: a pod sends only from its own addresses. Packets of established connections, which are nearly all, pay for
//   every rule; so for IPv4 it is asked of new connections only (policy-egress, by interface and address), and the
//   kernel's strict reverse path check, which the pods' links have, drops the others while it routes them. Where the
//   node's own settings make that check loose, for IPv6, and to the node itself, every packet from a pod is asked.
// - policy-forward and policy-node (input) send what pods open to policy-egress, also towards their own node. What that
//   lets through goes on to policy-ingress: a pod talking to one on the same node must pass both.
// - pod-output: the node itself reaches its own pods always, but no interface without a pod.
// Established and related packets pass all but pod-source. A TCP packet that is neither part of a known connection nor its
// beginning is answered by a reset where policies isolate the pod: otherwise a connection that was cut would be picked
// up again from its other end. UDP has no such mark: there the first packet, from whichever end, opens.
//
// The fixed rules are in guard.ts (addresses) and dispatch.ts (look-ups); the chains that elements lead to come and go
// with them (on-demand.ts): those of isolated pods (isolation-chains.ts) and those of ports (port-chains.ts).
import type { NftTable } from "../../../kernel/nft/document.ts";
import type { LocalRules, PolicySink } from "../node/node-policy.ts";
import { allPorts, type PortSet } from "../port-set.ts";
import { type Direction, directions } from "../types.ts";
import { sides, writeDispatch } from "./dispatch.ts";
import { hookGroups } from "./groups-hook.ts";
import {
  bareChains,
  type FamilyName,
  type GuardSettings,
  writeBareGuard,
  writeGuard,
  writeHooks,
} from "./guard.ts";
import { IsolationChains } from "./isolation-chains.ts";
import { enforced, type Manner, writeStageHooks } from "./manner.ts";
import { OnDemand } from "./on-demand.ts";
import { PortChains, singlePorts } from "./port-chains.ts";
import { DENIED_SETS, REFUSED_SET } from "./refusals.ts";

function familyOf(ip: string): FamilyName {
  return ip.includes(":") ? "6" : "4";
}

/** Returns how nft writes a class number in a packet's priority. */
export function classText(id: number): string {
  return `${(id >>> 16).toString(16)}:${(id & 0xffff).toString(16)}`;
}

/** Writes what NodePolicy tells into a table; run the table's transaction after each flush. */
export class PolicyWriter implements PolicySink {
  readonly #table: NftTable;
  readonly #locals = new Map<string, LocalRules>();
  readonly #demand: OnDemand;
  readonly #ports: PortChains;
  readonly #isolations: IsolationChains;
  /** The ports in the sets of single ports, by set, class and address. */
  readonly #rowPorts = new Map<string, readonly string[]>();
  readonly #log: boolean;
  readonly #manner: Manner;
  #enforcing = false;
  #settings: GuardSettings;

  /**
   * @param log whether the kernel can tell of refusals (refusals.ts)
   * @param manner what the table does with what policies do not allow; default: it drops it
   */
  constructor(
    table: NftTable,
    settings: GuardSettings = { reversePath: false },
    log = true,
    manner: Manner = enforced,
  ) {
    this.#table = table;
    this.#demand = new OnDemand(table);
    this.#ports = new PortChains(table, this.#demand);
    this.#isolations = new IsolationChains(table, this.#demand, this.#ports, manner);
    this.#settings = settings;
    this.#log = log;
    this.#manner = manner;
    if (!manner.guards) return;
    writeGuard(table, log);
    writeBareGuard(table);
  }

  get enforcing(): boolean {
    return this.#enforcing;
  }

  /** Puts the fixed part in place; then replay everything to this sink. */
  start(): void {
    if (this.#enforcing) return;
    this.#enforcing = true;
    writeDispatch(this.#table, this.#manner, this.#log);
    if (!this.#manner.guards) {
      writeStageHooks(this.#table);
      return;
    }
    writeHooks(this.#table, this.#settings);
    for (const name of bareChains) this.#table.removeChain(name);
    hookGroups(this.#table);
  }

  /** The node's settings may have changed; run the table's transaction after it. */
  guard(settings: GuardSettings): void {
    if (settings.reversePath === this.#settings.reversePath) return;
    this.#settings = settings;
    if (this.#enforcing) writeHooks(this.#table, settings);
  }

  /** Takes everything of policies out of the table and leaves what guards addresses. */
  stop(): void {
    this.#enforcing = false;
    writeBareGuard(this.#table);
    for (const name of this.#table.chainNames())
      if (name.startsWith("policy-")) this.#table.removeChain(name);
    for (const name of this.#table.setNames()) if (name.startsWith("policy-")) this.#table.removeSet(name);
    this.#demand.clear();
    this.#rowPorts.clear();
    this.#isolations.clear();
    hookGroups(this.#table);
  }

  peer(direction: Direction, ip: string, classId: number | undefined): void {
    if (!this.#enforcing) return;
    const set = `policy-${sides[direction].name}-peer${familyOf(ip)}`;
    if (classId === undefined) this.#table.removeElement(set, ip);
    else this.#table.setElement(set, ip, classText(classId));
  }

  row(direction: Direction, classId: number, localIp: string, ports: PortSet | undefined): void {
    if (!this.#enforcing) return;
    const [side, family] = [sides[direction].name, familyOf(localIp)];
    const place = `${classText(classId)} . ${localIp}`;
    const single = ports === undefined ? [] : singlePorts(ports);
    const chain = ports === undefined || single !== undefined ? undefined : this.#ports.of(direction, ports);
    this.#demand.lead(`policy-${side}-row${family}`, place, chain && `jump ${chain}`);
    this.#portsOfRow(`policy-${side}-port${family}`, place, single ?? []);
  }

  /** Gives a class these ports of an address, and no others. */
  #portsOfRow(set: string, place: string, ports: readonly string[]): void {
    const key = `${set} ${place}`;
    const before = this.#rowPorts.get(key) ?? [];
    for (const port of before)
      if (!ports.includes(port)) this.#table.removeElement(set, `${place} . ${port}`);
    for (const port of ports) this.#table.setElement(set, `${place} . ${port}`);
    if (ports.length === 0) this.#rowPorts.delete(key);
    else this.#rowPorts.set(key, ports);
  }

  local(key: string, rules: LocalRules | undefined): void {
    const before = this.#locals.get(key);
    const verdict = (direction: Direction, one: LocalRules) => this.#verdict(direction, one);
    const next = new Map(rules === undefined ? [] : this.#elementsOf(rules, verdict));
    // Where elements have been is asked for only: what led there may be of other policies by now.
    for (const [place, [set, element]] of before === undefined ? [] : this.#elementsOf(before, () => ""))
      if (!next.has(place)) this.#demand.lead(set, element, undefined);
    for (const [set, element, value] of next.values()) this.#demand.lead(set, element, value);
    if (rules === undefined) this.#locals.delete(key);
    else this.#locals.set(key, { ...rules });
  }

  /** Removes chains and maps that nothing leads to any more. Call it after every flush. */
  finish(): void {
    for (const name of this.#demand.sweep()) this.#isolations.forget(name);
  }

  #elementsOf(
    rules: LocalRules,
    verdict: (direction: Direction, rules: LocalRules) => string,
  ): [string, [string, string, string]][] {
    const link = `"${rules.interface}"`;
    const { guards } = this.#manner;
    const out: [string, string, string][] = guards ? [[REFUSED_SET, link, ""]] : [];
    // Only those that are isolated: for a pod that is not, coming and going costs nothing more.
    for (const direction of this.#enforcing ? directions : [])
      if (rules[direction] !== undefined) out.push([DENIED_SETS[direction], link, ""]);
    for (const ip of rules.ips) {
      const family = familyOf(ip);
      if (guards) out.push([`pod-own${family}`, `${link} . ${ip}`, ""]);
      if (!this.#enforcing) continue;
      out.push([`policy-self${family}`, `${ip} . ${ip}`, ""]);
      const place = `${link} . ${ip}`;
      out.push([`policy-from${family}`, place, verdict("egress", rules)]);
      out.push([`policy-to${family}`, place, verdict("ingress", rules)]);
    }
    return out.map((one) => [`${one[0]} ${one[1]}`, one]);
  }

  #verdict(direction: Direction, rules: LocalRules): string {
    const isolation = rules[direction];
    const other = rules[direction === "ingress" ? "egress" : "ingress"];
    const { name, pass } = sides[direction];
    if (isolation === undefined && other === undefined) return pass;
    if (isolation === undefined || isolation.any.key === allPorts.key) return `goto policy-${name}-open`;
    return `goto ${this.#isolations.of(direction, isolation)}`;
  }
}
