// A network that is known whole, asked one step at a time: whose an address is, where a machine sends a packet, and which
// address it speaks with. The journey of a packet through it is journey/journey.ts.
import { isTerminal, type Node, podIps } from "../../api/kinds/core.ts";
import { subnetGateway } from "../../api/subnets.ts";
import { cidrContains, type Ip, parseIp, rangeHolds } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { innerAddress, outerAddress, tunnelTypes } from "../../plan/routing/tunnels.ts";
import { poolRanges } from "../../plan/snat/ranges.ts";
import { subnetOf } from "../../plan/subnets/of-address.ts";
import { podInterface } from "../../plan/subnets/pod-interface.ts";
import { type End, nodeOf, podEnd } from "../ends.ts";
import { bare, type Ground, type GroundLink, type Machine, podLink, tunnelNetwork } from "./ground.ts";
import { nobodyHas, nowhere, type Onward } from "./onward.ts";
import { isLinkLocal6, isLoopback, lengthOf, ownSource, takesRanges, wholeRanges } from "./own-addresses.ts";
import { isBroadcast, type KnownRoute, type RouteWay, routesOf } from "./routes-of.ts";
import { chooseSource } from "./source.ts";

/** No way in any lab is longer; who is passed on more often goes round in circles. */
const MOST_HOPS = 16;

export class Atlas {
  /** See Ground. */
  readonly hostPorts: boolean;
  readonly #facts: ClusterFacts;
  readonly #machines: ReadonlyMap<string, Machine>;
  /** By network and address: who answers there. */
  readonly #neighbours = new Map<string, Machine[]>();
  /** Addresses that nodes hold for pods' traffic to leave with, beside their own, where nobody has looked. */
  readonly #held = new Map<string, Machine>();
  /** By network and address: nodes that objects say hold it, and that do not have it when looked at. */
  readonly #remembered = new Map<string, Machine>();
  /** By node and address. */
  readonly #pods = new Map<string, End>();
  /** See Ground.pods. */
  readonly #odd: NonNullable<Ground["pods"]>;
  readonly #routes = new Map<Machine, readonly KnownRoute[]>();
  /** Machines that take whole ranges for their own, and those that may answer for single addresses of others. */
  readonly #wide: readonly Machine[];
  readonly #proxied: readonly Machine[];
  /** Made when first asked for: blocks are many. */
  #poolRanges: readonly string[] | undefined;

  constructor(facts: ClusterFacts, ground: Ground) {
    this.#facts = facts;
    this.#odd = ground.pods ?? {};
    this.hostPorts = ground.hostPorts ?? false;
    this.#machines = new Map(ground.machines.map((machine) => [machine.name, machine]));
    this.#wide = ground.machines.filter(takesRanges);
    this.#proxied = ground.machines.filter(({ proxied }) => proxied !== undefined);
    for (const machine of ground.machines) this.#place(machine);
    for (const { status } of facts.sourceNats.values())
      for (const { address, node } of status?.holders ?? []) this.#hold(address, node);
    for (const node of facts.nodes.values()) this.#placeTunnels(node);
    // One that is being deleted may be gone already, and its address another one's.
    const pods = [...facts.pods.values()].toSorted((a, b) => Number(isLeaving(b)) - Number(isLeaving(a)));
    for (const pod of pods) {
      if (pod.spec.hostNetwork || isTerminal(pod)) continue;
      for (const ip of podIps(pod)) {
        this.#pods.set(`node/${pod.spec.nodeName} ${ip}`, podEnd(pod));
        const subnet = subnetOf(facts, ip)?.metadata.name;
        const node = this.#machines.get(`node/${pod.spec.nodeName}`);
        // The network around the cluster knows on which machine's interface an address is.
        if (subnet !== undefined && node) this.#answers(subnet, ip, node);
      }
    }
  }

  /** IPv4 is answered for on every network that a machine is on, IPv6 only on the link that has the address. */
  #place(machine: Machine): void {
    for (const { network, addresses, down, linkLocal = [] } of machine.links) {
      if (network === undefined || down) continue;
      const own = addresses.filter((text) => text.includes(":"));
      const anywhere = machine.links.flatMap((link) => link.addresses.filter((text) => !text.includes(":")));
      for (const text of [...own, ...linkLocal, ...anywhere]) this.#answers(network, bare(text), machine);
    }
  }

  /** Where nobody has looked, a node's tunnels are as it says. */
  #placeTunnels(node: Node): void {
    const machine = this.#machines.get(`node/${node.metadata.name}`);
    if (!machine || machine.live) return;
    for (const type of tunnelTypes) {
      const inner = innerAddress(node, type);
      if (inner === undefined) continue;
      this.#held.set(inner, machine);
      const outer = outerAddress(this.#facts, node, type.family);
      for (const address of [inner, outer ?? inner])
        this.#answers(tunnelNetwork(type.device), address, machine);
    }
  }

  #answers(network: string, address: string, machine: Machine): void {
    const key = `${network} ${address}`;
    const known = this.#neighbours.get(key) ?? [];
    if (!known.includes(machine)) this.#neighbours.set(key, [...known, machine]);
  }

  #hold(address: string, node: string): void {
    const machine = this.#machines.get(`node/${node}`);
    const network = machine?.links.find((link) => link.network !== undefined)?.network;
    if (!machine || network === undefined) return;
    // A look at the machine tells whether it really has it: its agent may be stuck.
    if (machine.live) {
      if (!this.isLocal(machine, address)) this.#remembered.set(`${network} ${address}`, machine);
      return;
    }
    this.#held.set(address, machine);
    this.#answers(network, address, machine);
  }

  /** Returns what is not followed of a machine, or of a pod's own network, in words; undefined: nothing. `echo`: it matters to an echo. */
  oddOf(what: Machine | End, echo: boolean): string | undefined {
    const list = ("links" in what ? what.odd : this.#odd[what.name]) ?? [];
    const said = list.filter((one) => echo || one.echo !== true).map((one) => one.what);
    return said.length === 0
      ? undefined
      : `what becomes of packets in ${what.name}, where somebody has put more than is followed: ${said.join("; ")}`;
  }

  machine(name: string): Machine | undefined {
    return this.#machines.get(name);
  }

  /** Returns the machine that an end's packets start on: its own, or a pod's node. */
  machineOf(end: End): Machine | undefined {
    if (end.type === "host") return this.machine(end.name);
    const node = nodeOf(end);
    return node === undefined ? undefined : this.machine(`node/${node}`);
  }

  /** Returns the address that a machine's own packets to `destination` leave with; undefined where there is no way. */
  sourceOn(machine: Machine, destination: string): string | undefined {
    if (this.isLocal(machine, destination)) return ownSource(machine, destination);
    const ip = parseIp(destination);
    // Links to pods have no addresses: the kernel looks on the others.
    if (this.#pods.has(`${machine.name} ${destination}`)) return chooseSource(machine, podLink, ip, ip);
    const to = this.#routeFor(machine, ip)?.to;
    if (to === undefined || typeof to === "string") return undefined;
    return this.#sourceBy(machine, ip, to);
  }

  #sourceBy(machine: Machine, ip: Ip, { source, link, via }: RouteWay): string | undefined {
    return source ?? chooseSource(machine, link, ip, via === undefined ? ip : parseIp(via));
  }

  isLocal(machine: Machine, address: string): boolean {
    if (isLoopback(address) || this.#held.get(address) === machine) return true;
    if (machine.links.some(({ addresses }) => addresses.some((text) => bare(text) === address))) return true;
    if (machine.taken?.some((range) => rangeHolds(range, address)) === true) return true;
    const whole = wholeRanges(machine, address);
    const isRouted = machine.routes.some(({ type }) => type === "local");
    if ((whole.length === 0 && !isRouted) || this.#pods.has(`${machine.name} ${address}`)) return false;
    // The kernel looks in one table for what is its own and what is not, as long as nobody adds a routing rule.
    const route = this.#routeFor(machine, parseIp(address));
    if (route?.to === "local") return true;
    return whole.length > 0 && (route === undefined || route.range.length <= lengthOf(whole[0]!));
  }

  /**
   * Returns where a machine sends a packet.
   * @param own it is the machine's own
   * @param steered the node that it is sent to whatever the routes say
   * @param source the address that it comes from, where that is one
   */
  onward(
    machine: Machine,
    destination: string,
    own: boolean,
    { steered, source }: { readonly steered?: string | undefined; readonly source?: string | undefined } = {},
  ): Onward {
    const { name } = machine;
    if (this.isLocal(machine, destination)) return { type: "local" };
    const holder = steered === undefined ? undefined : this.machine(`node/${steered}`);
    const pod = holder ? undefined : this.#pods.get(`${name} ${destination}`);
    if (!own && !forwards(machine, destination))
      return nowhere("it passes nothing on", `${name} passes on nothing for others`, false);
    if (holder) return this.#steer(machine, holder, destination);
    const rival = pod && this.#rivalOf(machine, destination);
    if (rival !== undefined) return { type: "unknown", why: rival };
    if (pod) return { type: "pod", end: pod };
    const interfaceWay =
      own || source === undefined ? undefined : this.#byInterface(machine, source, destination);
    if (interfaceWay) return interfaceWay;
    const ip = parseIp(destination);
    const route = isLinkLocal6(ip) ? undefined : this.#routeFor(machine, ip);
    if (!route) return nowhere("no route", `${name} has no route to ${destination}`, true);
    if (route.to === "blackhole" || route.to === "unreachable") {
      const why = route.planned
        ? `no pod on ${name.replace(/^node\//, "")} has ${destination}`
        : `${name} has a route to ${destination} that leads nowhere`;
      // Packets of others vanish; its own kernel tells the sender.
      const lost = nowhere(route.by, why, own || route.to === "unreachable");
      return own && route.afterOutput ? { ...lost, afterOutput: true } : lost;
    }
    if (route.to === "several" || route.to === "local") {
      const odd = route.odd === undefined ? "" : `, whose route to it says: ${route.odd}`;
      const why = `which way packets to ${destination} take from ${name}${odd}`;
      return { type: "unknown", why };
    }
    const { to, others = [] } = route;
    if (others.length === 0) return this.#along(machine, destination, own, route, to);
    const all = [to, ...others];
    const sources = new Set(all.map((way) => this.#sourceBy(machine, ip, way)));
    const hops = all.map(({ via, link }) => via ?? link.name ?? "?").join(" or ");
    return {
      type: "several",
      ways: all.map((way) => this.#along(machine, destination, own, route, way)),
      why: `which next hop ${name} takes to ${destination}: ${hops}`,
      sources: sources.size > 1,
    };
  }

  /** Where packets go by one of a route's next hops. */
  #along(machine: Machine, destination: string, own: boolean, route: KnownRoute, way: RouteWay): Onward {
    const { name } = machine;
    const ip = parseIp(destination);
    const lost = route.outer === undefined ? undefined : this.#whyNotReached(machine, route.outer);
    if (lost !== undefined)
      return nowhere(route.by, `the tunnel's other end ${route.outer} is not reached: ${lost}`, false);
    const { via, link } = way;
    const { network } = link;
    // Of its own the kernel takes nothing from there that is not its own; what it passes on comes back until its time is over.
    if (link.name === "lo") {
      const why = `${name} has a route to ${destination} that leads to itself, and that address is not its own`;
      return { ...nowhere(route.by, why, own ? false : "expired"), out: link };
    }
    if (machine.broadcasts?.includes(destination) ?? isBroadcast(route, ip))
      return nowhere(route.by, `${destination} means everybody on network ${network}, and nobody`, own);
    const machines = this.#answering(machine, network, via ?? destination);
    const had = this.#remembered.get(`${network ?? "-"} ${via ?? destination}`);
    if (!machines && had) {
      const perhaps = `whether neighbours still take ${via ?? destination} for ${had.name}'s, which no longer has it (its agent may be stuck)`;
      return {
        type: "next",
        machines: [had],
        link,
        by: route.by,
        perhaps,
        ...(via !== undefined && { via }),
      };
    }
    // The kernel asks who has the address only when the packet has passed all of its hooks.
    const { by, outer } = route;
    return {
      type: "next",
      machines: machines ?? [],
      link,
      by,
      ...(via !== undefined && { via }),
      ...(outer !== undefined && { outer }),
    };
  }

  /** Returns who tells a machine on a network that an address is its own; undefined: nobody. */
  #answering(asker: Machine, network: string | undefined, address: string): readonly Machine[] | undefined {
    const known = this.#neighbours.get(`${network ?? "-"} ${address}`);
    // Of IPv6 a machine answers only for addresses of its links.
    if (network === undefined || address.includes(":") || this.#wide.length === 0) return known;
    const more = this.#wide.filter(
      (machine) =>
        machine !== asker &&
        known?.includes(machine) !== true &&
        machine.links.some((link) => link.network === network && link.down !== true) &&
        this.isLocal(machine, address),
    );
    return more.length === 0 ? known : [...(known ?? []), ...more];
  }

  /**
   * Returns why it is not known whether somebody else takes what is sent to an address on a link; undefined: nobody does.
   * @param known those who say to have it
   */
  whyPerhaps(
    machine: Machine,
    { name, network, elsewhere }: GroundLink,
    address: string,
    known: readonly Machine[] = [],
  ): string | undefined {
    const isFor = (entry: { network: string; address: string }) =>
      entry.network === network && entry.address === address;
    const other = this.#proxied.find(
      (one) => one !== machine && !known.includes(one) && one.proxied!.some(isFor),
    );
    if (other) return `whether ${other.name} answers on network ${network} for ${address} (a proxy entry)`;
    if (known.length > 0) return undefined;
    if (network === undefined)
      return elsewhere === undefined
        ? undefined
        : `who is at the other end of link ${name} (${elsewhere}) of ${machine.name}`;
    if (address.includes(":")) return undefined;
    const proxy = [...this.#machines.values()].find(
      (one) => one !== machine && one.proxies?.includes(network) === true,
    );
    return proxy && `whether ${proxy.name} answers on network ${network} for another (proxy_arp)`;
  }

  /** A route that somebody has put beside the agent's to a pod. Returns why it may be the one that is taken, if it may. */
  #rivalOf(machine: Machine, destination: string): string | undefined {
    const ip = parseIp(destination);
    const full = ip.family === 4 ? 32 : 128;
    const route = this.#routeFor(machine, ip);
    if (!route || route.range.length < full || route.planned || route.metric > (full === 32 ? 0 : 1024))
      return undefined;
    return `which of two routes to ${destination} ${machine.name} takes, of which one is ${route.by}`;
  }

  /** What is in a tunnel goes the way of the packets that it is packed in. Returns why these do not arrive, if so. */
  #whyNotReached(start: Machine, outer: string): string | undefined {
    let machine = start;
    for (let hops = 0; hops < MOST_HOPS; hops++) {
      const onward = this.onward(machine, outer, hops === 0);
      // Of several ways either may be taken, as of two that claim an address.
      const next = onward.type === "several" ? onward.ways[0]! : onward;
      if (next.type === "several") return next.why;
      if (next.type === "local") return undefined;
      if (next.type === "nowhere" || next.type === "unknown") return next.why;
      if (next.type === "pod") return `${next.end.name} has that address`;
      // Of two that claim an address either may be asked: that is told where the packet itself goes there.
      const [first] = next.machines;
      if (!first) return nobodyHas(machine, next, outer);
      machine = first;
    }
    return "its packets go round in circles";
  }

  /** What pods of a subnet send leaves by their own interface, but for what is for pods of pools (interface-routes.ts). */
  #byInterface(machine: Machine, source: string, destination: string): Onward | undefined {
    const sender = this.#pods.get(`${machine.name} ${source}`);
    if (sender?.type !== "pod") return undefined;
    const subnet = subnetOf(this.#facts, source);
    if (!subnet) return undefined;
    this.#poolRanges ??= poolRanges(this.#facts);
    if (this.#poolRanges.some((range) => rangeHolds(range, destination))) return undefined;
    const network = subnet.metadata.name;
    const via = subnetGateway(subnet.spec);
    const by = `the gateway of subnet ${network}, which its address is of`;
    const machines = this.#neighbours.get(`${network} ${via}`);
    const id = podInterface(this.#facts, sender.pod)?.id;
    const own = machine.links.find(({ interfaceID }) => interfaceID !== undefined && interfaceID === id);
    // Looked at: what is sent from there leaves by no other link.
    if (machine.live && id !== undefined && (!own || own.down)) {
      const why = `interface ${id}, which ${source} stands on, ${own ? "is down" : "has no link"} on ${machine.name}`;
      return nowhere(by, why, true);
    }
    const link = own ?? machine.links.find((one) => one.network === network) ?? { network, addresses: [] };
    return { type: "next", machines: machines ?? [], link, via, by };
  }

  /** Returns the link that a machine's own packets leave by; undefined: none. */
  wayOut(machine: Machine, destination: string): GroundLink | "broadcast" | undefined {
    const ip = parseIp(destination);
    const route = isLinkLocal6(ip) ? undefined : this.#routeFor(machine, ip);
    if (!route || typeof route.to === "string") return undefined;
    return isBroadcast(route, ip) ? "broadcast" : route.to.link;
  }

  #steer(machine: Machine, holder: Machine, destination: string): Onward {
    const family = destination.includes(":") ? 6 : 4;
    const own = holder.links.flatMap(({ addresses }) => addresses).find((text) => familyOf(text) === family);
    const link = machine.links.find(({ network }) => network !== undefined);
    if (own === undefined || !link) {
      const why = `${holder.name}, which translates the source, has no address of that family`;
      return nowhere("a route of its own", why, true);
    }
    const by = `${holder.name} translates its source`;
    return { type: "next", machines: [holder], link, via: bare(own), by };
  }

  /** Returns all routes of a machine that hold an address, the one that it takes first. */
  routesTo(machine: Machine, address: string): readonly KnownRoute[] {
    const ip = parseIp(address);
    return this.#routesOf(machine).filter(({ range }) => cidrContains(range, ip));
  }

  /** Returns whether a pod of that machine has an address. */
  hasPod({ name }: Machine, address: string): boolean {
    return this.#pods.has(`${name} ${address}`);
  }

  #routesOf(machine: Machine): readonly KnownRoute[] {
    const routes = this.#routes.get(machine) ?? routesOf(this.#facts, machine);
    this.#routes.set(machine, routes);
    return routes;
  }

  #routeFor(machine: Machine, ip: Ip): KnownRoute | undefined {
    return this.#routesOf(machine).find(({ range }) => cidrContains(range, ip));
  }
}

function forwards({ forwards: four, forwards6: six = four }: Machine, destination: string): boolean {
  return destination.includes(":") ? six : four;
}

function isLeaving(pod: { readonly metadata: { readonly deletionTimestamp?: string } }): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

function familyOf(text: string): 4 | 6 {
  return text.includes(":") ? 6 : 4;
}
