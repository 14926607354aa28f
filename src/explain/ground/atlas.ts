// Follows a packet from machine to machine through a network that is known whole.
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import { cidrContains, cidrOf, formatCidr, formatIp, type Ip, parseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, isOnNode, nodeOf, podEnd } from "../ends.ts";
import { gatewayOf, type Hop } from "../way.ts";
import { bare, type Ground, type Machine } from "./ground.ts";
import { addressOn, isBroadcast, type KnownRoute, routesOf } from "./routes-of.ts";

export interface Trip {
  readonly hops: readonly Hop[];
  readonly stop: Stop;
}

/** Where a packet ends up. */
export type Stop =
  | { readonly type: "pod"; readonly name: string; readonly end: End }
  | { readonly type: "machine"; readonly name: string; readonly machine: Machine }
  | {
      readonly type: "lost";
      readonly at: Machine;
      readonly why: string;
      /** The sender is told at once: by its own kernel, or by a router. Else it waits in vain. */
      readonly told: boolean;
    };

/** No way in any lab is longer; who is passed on more often goes round in circles. */
const MOST_HOPS = 16;

export class Atlas {
  /** See Ground. */
  readonly hostPorts: boolean;
  readonly #facts: ClusterFacts;
  readonly #machines: ReadonlyMap<string, Machine>;
  /** By network and address: who answers there. */
  readonly #neighbours = new Map<string, Machine>();
  /** Addresses that nodes hold for pods' traffic to leave with, beside their own. */
  readonly #held = new Map<string, Machine>();
  /** By node and address. */
  readonly #pods = new Map<string, End>();
  readonly #routes = new Map<Machine, readonly KnownRoute[]>();
  readonly #trips = new Map<string, Trip>();

  constructor(facts: ClusterFacts, ground: Ground) {
    this.#facts = facts;
    this.hostPorts = ground.hostPorts ?? false;
    this.#machines = new Map(ground.machines.map((machine) => [machine.name, machine]));
    for (const machine of ground.machines) {
      for (const { network } of machine.links)
        for (const text of machine.added ?? []) this.#neighbours.set(`${network} ${bare(text)}`, machine);
    }
    for (const machine of ground.machines) {
      for (const { network, addresses } of machine.links)
        for (const text of addresses) this.#neighbours.set(`${network} ${bare(text)}`, machine);
    }
    for (const { status } of facts.sourceNats.values())
      for (const { address, node } of status?.holders ?? []) this.#hold(address, node);
    for (const pod of facts.pods.values()) {
      if (pod.spec.hostNetwork || isTerminal(pod)) continue;
      for (const ip of podIps(pod)) this.#pods.set(`node/${pod.spec.nodeName} ${ip}`, podEnd(pod));
    }
  }

  #hold(address: string, node: string): void {
    const machine = this.#machines.get(`node/${node}`);
    const network = machine?.links[0]?.network;
    if (!machine || network === undefined) return;
    this.#held.set(address, machine);
    this.#neighbours.set(`${network} ${address}`, machine);
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
    if (this.#isLocal(machine, destination)) return primaryOf(machine, destination) ?? destination;
    const ip = parseIp(destination);
    const to = this.#routeFor(machine, ip)?.to;
    return to === undefined || to === "blackhole"
      ? undefined
      : addressOn(to.link, to.via === undefined ? ip : parseIp(to.via));
  }

  /**
   * Follows a packet of an end; undefined if nobody has that end's address.
   * @param through the node that the packet is steered to first
   */
  tripOf(from: End, destination: string, through?: string): Trip | undefined {
    const machine = this.machineOf(from);
    if (!machine) return undefined;
    if (isOnNode(from) || from.type === "host") return this.trip(machine, destination, from.name);
    if (isLoopback(destination) || from.addresses.includes(destination)) {
      const hop = { at: from.name, to: from.name, by: "its own address: the packet never leaves" };
      return { hops: [hop], stop: { type: "pod", name: from.name, end: from } };
    }
    const first: Hop = {
      at: from.name,
      to: machine.name,
      via: gatewayOf(destination),
      by: "the pod's default route, through its veth pair",
    };
    const holder = through === undefined ? undefined : this.machine(`node/${through}`);
    const steered = holder && holder !== machine ? holder : undefined;
    const before: Hop[] = [first];
    if (steered) {
      const via = bare(steered.links[0]?.addresses[0] ?? "");
      before.push({ at: machine.name, to: steered.name, via, by: `${steered.name} translates its source` });
    }
    const { hops, stop } = this.trip(steered ?? machine, destination);
    return { hops: [...before, ...hops], stop };
  }

  /** Follows a packet that is on a machine; `called` is the name of the sender, where it is the machine itself. */
  trip(machine: Machine, destination: string, called?: string): Trip {
    const key = `${machine.name} ${destination} ${called ?? ""}`;
    const known = this.#trips.get(key);
    if (known) return known;
    const made = this.#follow(machine, destination, called);
    this.#trips.set(key, made);
    return made;
  }

  #follow(start: Machine, destination: string, called: string | undefined): Trip {
    const hops: Hop[] = [];
    const ip = parseIp(destination);
    for (let machine = start; hops.length < MOST_HOPS; ) {
      const isSender = machine === start && called !== undefined;
      const at = isSender ? called : machine.name;
      if (this.#isLocal(machine, destination)) {
        if (hops.length === 0 && isSender)
          hops.push({ at, to: at, by: "its own address: the packet never leaves" });
        return { hops, stop: { type: "machine", name: machine.name, machine } };
      }
      const pod = this.#pods.get(`${machine.name} ${destination}`);
      if (pod) {
        hops.push({ at, to: pod.name, by: "the route to the pod's interface" });
        return { hops, stop: { type: "pod", name: pod.name, end: pod } };
      }
      const next = this.#next(machine, ip, isSender);
      if ("why" in next) {
        hops.push({ at, to: "nowhere", by: next.by });
        return { hops, stop: { type: "lost", at: machine, why: next.why, told: next.told } };
      }
      hops.push({ ...next.hop, at });
      machine = next.machine;
    }
    return {
      hops,
      stop: { type: "lost", at: start, why: `packets to ${destination} go round in circles`, told: false },
    };
  }

  #next(
    machine: Machine,
    ip: Ip,
    isSender: boolean,
  ):
    | { readonly machine: Machine; readonly hop: Omit<Hop, "at"> }
    | { readonly by: string; readonly why: string; readonly told: boolean } {
    const { name } = machine;
    const destination = formatIp(ip);
    if (!isSender && !machine.forwards)
      return { by: "it passes nothing on", why: `${name} passes on nothing for others`, told: false };
    const route = isLinkLocal6(ip) ? undefined : this.#routeFor(machine, ip);
    if (!route) return { by: "no route", why: `${name} has no route to ${destination}`, told: true };
    if (route.to === "blackhole") {
      const why = `no pod on ${name.replace(/^node\//, "")} has ${destination}`;
      // Packets of others vanish; its own kernel tells the sender.
      return { by: route.by, why, told: isSender };
    }
    const { via, link } = route.to;
    if (isBroadcast(route, ip)) {
      const why = `${destination} means everybody on network ${link.network}, and nobody`;
      return { by: route.by, why, told: isSender };
    }
    const next = this.#neighbours.get(`${link.network} ${via ?? destination}`);
    if (!next) {
      const why = `nobody on network ${link.network} has ${via ?? destination}`;
      return { by: route.by, why, told: false };
    }
    return { machine: next, hop: { to: next.name, ...(via === undefined ? {} : { via }), by: route.by } };
  }

  #isLocal(machine: Machine, destination: string): boolean {
    return (
      isLoopback(destination) ||
      this.#held.get(destination) === machine ||
      [machine.added ?? [], ...machine.links.map(({ addresses }) => addresses)].some((own) =>
        own.some((text) => bare(text) === destination),
      )
    );
  }

  #routeFor(machine: Machine, ip: Ip): KnownRoute | undefined {
    const routes = this.#routes.get(machine) ?? routesOf(this.#facts, machine);
    this.#routes.set(machine, routes);
    return routes.find(({ range }) => cidrContains(range, ip));
  }
}

/** A machine speaks to an IPv4 address of its that was added to a range with the one that it had there before. */
function primaryOf({ links, added = [] }: Machine, destination: string): string | undefined {
  const text = added.find((one) => bare(one) === destination);
  if (text === undefined || destination.includes(":")) return undefined;
  const rangeOf = (one: string) => formatCidr(cidrOf(parseIp(bare(one)), Number(one.split("/")[1])));
  const older = links.flatMap(({ addresses }) => addresses).find((one) => rangeOf(one) === rangeOf(text));
  return older && bare(older);
}

/** Returns whether an address means whoever uses it. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** fe80::/10 means nobody without the name of a link. */
function isLinkLocal6({ family, value }: Ip): boolean {
  return family === 6 && value >> 118n === 0xfe80n >> 6n;
}
