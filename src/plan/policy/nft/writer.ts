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
import { createHash } from "node:crypto";
import type { NftTable } from "../../../kernel/nft/document.ts";
import type { FamilyBlocks } from "../blocks.ts";
import type { Isolation, LocalRules, PolicySink } from "../node/node-policy.ts";
import { getOrMake } from "../node/selector-index.ts";
import { allPorts, isEmpty, type PortRange, type PortSet, protocols, rangeText } from "../port-set.ts";
import { type Direction, directions } from "../types.ts";
import { hookGroups } from "./groups-hook.ts";
import {
  addressType,
  bareChains,
  type FamilyName,
  families,
  type GuardSettings,
  noLoopback,
  notFromPod,
  notToPod,
  toNode,
  writeBareGuard,
  writeGuard,
  writeHooks,
} from "./guard.ts";
import { enforced, type Manner, writeStageHooks } from "./manner.ts";
import { changesOf, cutsKept, rangeKey, shapeOf } from "./range-map.ts";
import { countAndTell, DENIED_SETS, REFUSED_SET, refusedLinks, tellOnly } from "./refusals.ts";

/** Part of every name made from contents: to be raised when equal contents are written in another way. */
const writing = "5";

const noPriority = "meta priority set none";

const header = { "4": "ip", "6": "ip6" } as const;

/** Which address of a packet is the local pod's, which its peer's, and where a packet goes that may pass. */
const sides = {
  ingress: { name: "in", own: "daddr", peer: "saddr", link: "oifname", pass: "accept" },
  egress: { name: "out", own: "saddr", peer: "daddr", link: "iifname", pass: "goto policy-ingress" },
} as const;

function familyOf(ip: string): FamilyName {
  return ip.includes(":") ? "6" : "4";
}

function hash(text: string): string {
  return createHash("sha256").update(`${writing}\n${text}`).digest("hex").slice(0, 16);
}

/** Returns how nft writes a class number in a packet's priority. */
export function classText(id: number): string {
  return `${(id >>> 16).toString(16)}:${(id & 0xffff).toString(16)}`;
}

function writeFixedPart(table: NftTable, manner: Manner, log: boolean): void {
  for (const family of families) {
    const type = addressType[family];
    table.setSet(`policy-from${family}`, { key: ["ifname", type], value: "verdict" });
    table.setSet(`policy-to${family}`, { key: ["ifname", type], value: "verdict" });
    table.setSet(`policy-self${family}`, { key: [type, type] });
    for (const direction of directions) {
      const { name } = sides[direction];
      table.setSet(`policy-${name}-peer${family}`, { key: [type], value: ["classid"] });
      table.setSet(`policy-${name}-row${family}`, {
        key: ["classid", type],
        value: "verdict",
        counter: true,
      });
      table.setSet(`policy-${name}-port${family}`, {
        key: ["classid", type, "inet_proto", "inet_service"],
        counter: true,
      });
    }
  }
  table.setChain("policy-forward-new", { rules: manner.forwardNew(table) });
  table.setChain("policy-node-new", {
    rules: [
      `${notFromPod} accept`,
      ...(manner.guards ? [noLoopback] : []),
      "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
      "goto policy-egress",
    ],
  });
  const { source, target } = manner.strangers;
  table.setChain("policy-egress", {
    rules: ["iifname . ip saddr vmap @policy-from4", "iifname . ip6 saddr vmap @policy-from6", source],
  });
  table.setChain("policy-ingress", {
    rules: [
      `${notToPod} accept`,
      "oifname . ip daddr vmap @policy-to4",
      "oifname . ip6 daddr vmap @policy-to6",
      `${toNode} accept`,
      target,
    ],
  });
  for (const direction of directions) {
    const { name, pass } = sides[direction];
    table.setChain(`policy-${name}-open`, { rules: [...manner.stray, pass] });
    for (const family of families) writeClassChain(table, direction, family);
    table.setSet(DENIED_SETS[direction], refusedLinks);
    table.setChain(`policy-refuse-${name}`, {
      rules: [
        "ip saddr . ip daddr @policy-self4 accept",
        "ip6 saddr . ip6 daddr @policy-self6 accept",
        countAndTell(manner.sites[direction], `${sides[direction].link} @${DENIED_SETS[direction]}`, log),
        manner.refuse,
      ],
    });
  }
  if (!manner.guards) return;
  table.setChain("policy-stray", { rules: [...tellOnly("stray", log), "counter drop"] });
  table.setChain("policy-cut", { rules: [...tellOnly("cut", log), "counter reject with tcp reset"] });
}

/** The chain for packets whose peer has a class, the number of which is in their priority. */
function writeClassChain(table: NftTable, direction: Direction, family: FamilyName): void {
  const { name, own, pass } = sides[direction];
  const place = `meta priority . ${header[family]} ${own}`;
  table.setChain(`policy-${name}-class${family}`, {
    rules: [
      `${place} . meta l4proto . th dport @policy-${name}-port${family} ${noPriority} ${pass}`,
      `${place} vmap @policy-${name}-row${family}`,
    ],
  });
}

/** A map of the ranges that one chain's pods exchange packets with, by name, and what is to be in it. */
interface RangeMap {
  readonly family: FamilyName;
  readonly name: string;
  readonly mine: FamilyBlocks;
}

/** Writes what NodePolicy tells into a table; run the table's transaction after each flush. */
export class PolicyWriter implements PolicySink {
  readonly #table: NftTable;
  readonly #locals = new Map<string, LocalRules>();
  /** How many elements and rules lead to a chain or use a map that is made on demand. */
  readonly #uses = new Map<string, number>();
  readonly #unused = new Set<string>();
  /** The ports in the sets of single ports, by set, class and address. */
  readonly #rowPorts = new Map<string, readonly string[]>();
  /** What the maps of ranges hold, by name. */
  readonly #ranges = new Map<string, FamilyBlocks>();
  /** By the digest of what isolated pods have in common, that of the chain they are in, where it is another one. */
  readonly #renewed = new Map<string, string>();
  #renewals = 0;
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
    writeFixedPart(this.#table, this.#manner, this.#log);
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
    this.#uses.clear();
    this.#unused.clear();
    this.#rowPorts.clear();
    this.#ranges.clear();
    this.#renewed.clear();
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
    const chain = ports === undefined || single !== undefined ? undefined : this.#ports(direction, ports);
    this.#lead(`policy-${side}-row${family}`, place, chain && `jump ${chain}`);
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
      if (!next.has(place)) this.#lead(set, element, undefined);
    for (const [set, element, value] of next.values()) this.#lead(set, element, value);
    if (rules === undefined) this.#locals.delete(key);
    else this.#locals.set(key, { ...rules });
  }

  /** Removes chains and maps that nothing leads to any more. Call it after every flush. */
  finish(): void {
    // A chain of blocks that goes may take its map and its chains of ports with it.
    while (this.#unused.size > 0) {
      const names = [...this.#unused];
      this.#unused.clear();
      for (const name of names) if ((this.#uses.get(name) ?? 0) <= 0) this.#remove(name);
    }
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
    return `goto ${this.#isolation(direction, isolation)}`;
  }

  /** Returns the chain for pods that are isolated in this way; made if it is not there. */
  #isolation(direction: Direction, { any, blocks }: Isolation): string {
    const { name: side } = sides[direction];
    const plain = isEmpty(any) && blocks[4].firsts.length + blocks[6].firsts.length === 0;
    const shape = hash(side + shapeOf(blocks) + any.key);
    const nameOf = (digest: string) => (plain ? `policy-${side}` : `policy-${side}-${digest}`);
    const mapsOf = (digest: string) =>
      families.flatMap((family): RangeMap[] => {
        const mine = blocks[family === "4" ? 4 : 6];
        return mine.firsts.length === 0
          ? []
          : [{ family, name: `policy-${side}-block${family}-${digest}`, mine }];
      });
    const renewed = this.#renewed.get(shape);
    const digest = renewed !== undefined && this.#table.hasChain(nameOf(renewed)) ? renewed : shape;
    const maps = mapsOf(digest);
    if (!this.#table.hasChain(nameOf(digest)))
      return this.#makeIsolation(nameOf(digest), direction, any, maps);
    if (maps.every(({ name, mine }) => !cutsKept(this.#ranges.get(name), mine))) {
      for (const { name, mine } of maps) this.#fill(name, direction, mine);
      return nameOf(digest);
    }
    const other = hash(`${shape} ${++this.#renewals}`);
    this.#renewed.set(shape, other);
    return this.#makeIsolation(nameOf(other), direction, any, mapsOf(other));
  }

  #makeIsolation(chain: string, direction: Direction, any: PortSet, maps: readonly RangeMap[]): string {
    const { name: side, peer } = sides[direction];
    const rules: string[] = [...this.#manner.stray];
    for (const family of families) {
      const ip = header[family];
      const peers = `policy-${side}-peer${family}`;
      // Only with a number: where the look-up finds none, those that use it must not run with a stale one.
      rules.push(`meta priority set ${ip} ${peer} map @${peers} jump policy-${side}-class${family}`);
    }
    const uses: string[] = [];
    for (const { family, name, mine } of maps) {
      this.#table.setSet(name, {
        key: [addressType[family]],
        value: "verdict",
        interval: true,
        counter: true,
      });
      this.#unused.add(name);
      this.#fill(name, direction, mine);
      uses.push(name);
      rules.push(`${header[family]} ${peer} vmap @${name}`);
    }
    if (!isEmpty(any)) {
      const ports = this.#ports(direction, any);
      uses.push(ports);
      rules.push(`jump ${ports}`);
    }
    rules.push(`goto policy-refuse-${side}`);
    this.#table.setChain(chain, { rules });
    this.#unused.add(chain);
    for (const used of uses) this.#use(used, 1);
    return chain;
  }

  /**
   * Makes a chain's map hold these ranges. It is the chain's own, so that its counters are those of the pods in that chain;
   * what stays is not touched: one range of twenty thousand that comes or goes is one element.
   */
  #fill(map: string, direction: Direction, blocks: FamilyBlocks): void {
    const before = this.#ranges.get(map) ?? blocks;
    const { gone, fresh } = changesOf(this.#ranges.get(map), blocks);
    this.#ranges.set(map, blocks);
    for (const at of gone) this.#lead(map, rangeKey(before, at), undefined);
    // Many ranges have the same verdict, and each text of it would be one of its own.
    const verdicts = new Map<number, string>();
    for (const at of fresh) {
      const kind = blocks.kindOf[at]!;
      const verdict = getOrMake(
        verdicts,
        kind,
        () => `jump ${this.#ports(direction, blocks.kinds[kind]!.ports)}`,
      );
      this.#lead(map, rangeKey(blocks, at), verdict);
    }
  }

  /** Returns the chain that accepts these ports; made if it is not there. */
  #ports(direction: Direction, ports: PortSet): string {
    const { name: side, pass } = sides[direction];
    const name = `policy-${side}-ports-${ports.key === allPorts.key ? "all" : hash(ports.key)}`;
    if (this.#table.hasChain(name)) return name;
    this.#unused.add(name);
    const rules: string[] = [];
    if (ports.key === allPorts.key) rules.push(`${noPriority} ${pass}`);
    else {
      for (const protocol of protocols)
        for (const match of this.#portMatches(ports.ranges[protocol]))
          rules.push(`${protocol.toLowerCase()} dport ${match} ${noPriority} ${pass}`);
      if (ports.other) rules.push(`meta l4proto != { tcp, udp, sctp } ${noPriority} ${pass}`);
    }
    this.#table.setChain(name, { rules });
    return name;
  }

  /**
   * Returns what to compare a port with: single ports in a set, ranges one by one. A set with ranges finds nothing for a
   * moment after it is written, and the ports of a connection that stays allowed may be in it: those that are many get a
   * name, by which they are filled before anything uses them, and found again after a restart.
   */
  #portMatches(list: readonly PortRange[]): string[] {
    const single = list.filter(({ first, last }) => first === last).map(rangeText);
    const ranges = list.filter(({ first, last }) => first !== last).map(rangeText);
    if (ranges.length > mostRangeRules) return [`@${this.#portSet(list)}`];
    if (single.length === 0) return ranges;
    return [single.length === 1 ? single.join() : `{ ${single.join(", ")} }`, ...ranges];
  }

  #portSet(list: readonly PortRange[]): string {
    const ranges = list.map(rangeText);
    const name = `policy-portset-${hash(ranges.join())}`;
    if (!this.#table.hasSet(name)) {
      this.#table.setSet(name, { key: ["inet_service"], interval: true });
      for (const range of ranges) this.#table.setElement(name, range);
    }
    this.#use(name, 1);
    return name;
  }

  /** Sets or removes an element and keeps count of what its verdict leads to. */
  #lead(set: string, key: string, value: string | undefined): void {
    if (!this.#table.hasSet(set)) return;
    const before = this.#table.element(set, key);
    if (before === value) return;
    if (value === undefined) this.#table.removeElement(set, key);
    else {
      this.#table.setElement(set, key, value);
      this.#use(targetOf(value), 1);
    }
    if (before !== undefined) this.#use(targetOf(before), -1);
  }

  #use(name: string | undefined, change: 1 | -1): void {
    if (name === undefined) return;
    const uses = (this.#uses.get(name) ?? 0) + change;
    this.#uses.set(name, uses);
    if (uses <= 0) this.#unused.add(name);
  }

  #remove(name: string): void {
    this.#uses.delete(name);
    if (this.#table.hasSet(name)) {
      for (const [key] of this.#table.elements(name)) this.#lead(name, key, undefined);
      this.#ranges.delete(name);
      this.#table.removeSet(name);
      return;
    }
    if (fixedChains.has(name)) return;
    const rules = this.#table.chain(name)?.rules ?? [];
    this.#table.removeChain(name);
    for (const rule of rules) for (const used of usedBy(rule)) this.#use(used, -1);
  }
}

/** A class's ports of an address, where they are no more than these and no ranges, are elements of their own. */
const mostSinglePorts = 4;

/** Returns ports as elements, such as `tcp . 80`; undefined where a chain is to compare them. */
function singlePorts(ports: PortSet): readonly string[] | undefined {
  if (ports.other) return undefined;
  const out: string[] = [];
  for (const protocol of protocols)
    for (const { first, last } of ports.ranges[protocol]) {
      if (first !== last || out.length === mostSinglePorts) return undefined;
      out.push(`${protocol.toLowerCase()} . ${first}`);
    }
  return out;
}

/** More ranges than this go into a set: their number must not cost a packet time. */
const mostRangeRules = 8;

const fixedChains: ReadonlySet<string> = new Set(["policy-in-open", "policy-out-open", "policy-ingress"]);

function targetOf(verdict: string): string | undefined {
  return /^(?:jump|goto) (\S+)$/.exec(verdict)?.[1];
}

/** Returns the maps and chains made on demand that a rule of ours uses. */
function usedBy(rule: string): string[] {
  const found =
    /^(?:jump (policy-(?:in|out)-ports-\S+)$|ip6? [sd]addr vmap @(policy-(?:in|out)-block\S+)$|(?:tcp|udp|sctp) dport @(policy-portset-\S+))/.exec(
      rule,
    );
  return [found?.[1], found?.[2], found?.[3]].filter((name) => name !== undefined);
}
