// The journey of a connection's first packet from hook to hook, each judge asked about the packet as it is there: out of
// its sender, over each machine (prerouting, forward, postrouting, or input), to where it ends. What cannot be known is
// chosen (plan/foreign/choices.ts), so that within one journey everything is definite.
//
// On a machine, as the kernel has it: destinations are translated first (prerouting, or output where the packet is the
// machine's own), then it is routed, then policies and others' filters see it (forward or input), and sources are
// translated last. So the policies of a pod's own node see the pod's address, those of another node what was made of it.
//
// Here it goes from machine to machine; traversal.ts has the hooks of one, and verdicts.ts what policies say there.
import { parseIp } from "../../base/ip.ts";
import type { Choices } from "../../plan/foreign/index.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import { type End, isOnNode } from "../ends.ts";
import { type GroundLink, type Machine, nodeName, podLink } from "../ground/ground.ts";
import { nobodyHas, type Onward, type Stop } from "../ground/onward.ts";
import { isLinkLocal6, isLoopback } from "../ground/own-addresses.ts";
import type { Network } from "../judges/judge.ts";
import { gatewayOf, type Hop } from "../way/way.ts";
import { isMartian } from "./martian.ts";
import { type Asked as AskedFor, whyNotFound } from "./neighbours.ts";
import { type OuterFate, sendOuter } from "./outer.ts";
import { Parcel, type Start } from "./parcel.ts";
import { PickedWays } from "./picked-ways.ts";
import type { Asked, Travelled } from "./travelled.ts";
import { Traversal } from "./traversal.ts";
import { Verdicts } from "./verdicts.ts";

/** Machines that pass a packet on until its life is over: what Linux gives it (net.ipv4.ip_default_ttl, hop_limit). */
export const LIFE = 64;
/** No way in any lab has more hops; of one that goes round in circles those tell it. */
const MOST_TOLD_HOPS = 16;

type Known = Exclude<Onward, { type: "unknown" | "several" }>;

/** Sends a connection's first packet. The sender's machine is one that the atlas knows. */
export function travel(network: Network, start: Start, choices: Choices): Travelled {
  return new Journey(network, start, choices).run();
}

class Journey {
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  readonly #hops: Hop[] = [];
  readonly #asked: Asked[] = [];
  readonly #parcel: Parcel;
  readonly #verdicts: Verdicts;
  readonly #traversal: Traversal;
  readonly #picked = new PickedWays();
  /** How many machines have passed it on. */
  #passedOn = 0;

  constructor(network: Network, start: Start, choices: Choices) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    this.#parcel = new Parcel(network, start, choices, this.#hops);
    this.#verdicts = new Verdicts(network, start, choices, this.#parcel, this.#asked);
    this.#traversal = new Traversal(network, start, choices, this.#parcel, this.#verdicts, this.#asked);
  }

  run(): Travelled {
    const { from } = this.#start;
    const machine = this.#network.atlas.machineOf(from)!;
    const stop = isOnNode(from) || from.type === "host" ? this.#send(machine) : this.#fromPod(machine);
    const { refused, passed } = this.#traversal;
    return {
      ...this.#verdicts.inTheEnd(),
      snat: this.#parcel.snat ?? this.#parcel.untranslated(machine),
      hops: this.#hops.slice(0, MOST_TOLD_HOPS),
      stop,
      ...this.#traversal.now(),
      ...(refused && { refused }),
      asked: this.#asked,
      passed,
    };
  }

  /** What is not followed makes the answer unknown, but where it is refused already. */
  #doubt(what: Machine | End): void {
    const { atlas } = this.#network;
    const doubt = this.#traversal.isRefused ? undefined : atlas.oddOf(what, this.#start.port === undefined);
    if (doubt !== undefined && this.#choices.pick(2, doubt) === 1) throw this.#choices.untold(doubt);
  }

  #fromPod(machine: Machine): Stop {
    const { from } = this.#start;
    this.#doubt(from);
    if (isLoopback(this.#parcel.destination) || from.addresses.includes(this.#parcel.destination)) {
      this.#hops.push({ at: from.name, to: from.name, by: "its own address: the packet never leaves" });
      return { type: "pod", name: from.name, end: from };
    }
    // Its kernel asks for the link's name, and sends nothing without one (EINVAL).
    if (isLinkLocal6(parseIp(this.#parcel.destination))) {
      const why = `${from.name} sends nothing to ${this.#parcel.destination} without a link's name`;
      return this.#lost(machine, from.name, { by: "no link that is named", why, told: true });
    }
    const by = "the pod's default route, through its veth pair";
    this.#hops.push({ at: from.name, to: machine.name, via: gatewayOf(this.#parcel.destination), by });
    return this.#arrive(machine, podLink.name);
  }

  /** A machine's own packet: routed, translated, routed again if that changed where it goes, and sent. */
  #send(machine: Machine): Stop {
    const { from } = this.#start;
    this.#doubt(machine);
    const first = this.#onward(machine, true);
    if (first.type === "nowhere" && !first.out && !first.afterOutput)
      return this.#lost(machine, from.name, first);
    this.#traversal.track(machine);
    this.#traversal.pass(machine, "output", "", linkName(first));
    const next = this.#onward(machine, true);
    if (next.type === "local") return this.#toItself(machine, from.name);
    const out = next.type === "next" ? next.link.name : next.type === "pod" ? this.#parcel.destination : "lo";
    const why = this.#whyOffLoopback(machine, rangeName(this.#parcel.source), out);
    if (why !== undefined)
      return this.#lost(machine, from.name, {
        by: why,
        why,
        told: this.#parcel.family === 4 && this.#start.port?.protocol !== "TCP",
      });
    return this.#leave(machine, from.name, next, "");
  }

  #toItself(machine: Machine, at: string): Stop {
    if (this.#hops.length === 0)
      this.#hops.push({ at, to: at, by: "its own address: the packet never leaves" });
    const lo: GroundLink = machine.links.find(({ name }) => name === "lo") ?? { name: "lo", addresses: [] };
    this.#traversal.pass(machine, "postrouting", "", lo);
    if (lo.down) {
      const why = `${machine.name} speaks to itself by its loopback link, which is down`;
      return { type: "lost", at: machine, why, told: false };
    }
    this.#traversal.pass(machine, "prerouting", "lo", undefined);
    return this.#deliver(machine, "lo");
  }

  #arrive(machine: Machine, by: string | undefined): Stop {
    if (this.#traversal.isTracked(machine) && this.#parcel.isTranslated)
      throw this.#choices.untold(`the packet passes ${machine.name} twice, and is translated on its way`);
    this.#doubt(machine);
    this.#traversal.track(machine);
    this.#traversal.pass(machine, "prerouting", by, undefined);
    if (this.#isMartian(machine)) {
      const why = `${machine.name} takes no packet from outside that says it is from ${rangeName(this.#parcel.source)}, its own address`;
      return { type: "lost", at: machine, why, told: false };
    }
    // Our own rules keep pods from the node's loopback in any case.
    const why = this.#whyOffLoopback(machine, this.#parcel.destination, by);
    if (why !== undefined) return { type: "lost", at: machine, why, told: false };
    const next = this.#onward(machine, false);
    if (next.type === "local") return this.#deliver(machine, by);
    // Told by whoever should pass it on once more, before its filters see it (ip_forward.c).
    if (next.type !== "nowhere" && ++this.#passedOn >= LIFE) {
      const why = `packets to ${this.#parcel.destination} go round in circles`;
      return { type: "lost", at: machine, why, told: this.#start.port !== undefined, expired: true };
    }
    return this.#leave(machine, machine.name, next, by);
  }

  /** Returns why nothing with that address passes a link, or goes to a pod; undefined: it does. */
  #whyOffLoopback(machine: Machine, address: string, way: string | undefined): string | undefined {
    return offLoopback(machine, address, way)
      ? `${machine.name} keeps ${address} to itself, which only it may use (route_localnet is not set)`
      : undefined;
  }

  /** The kernel drops packets that come in with a loopback address as source, and IPv4's with one of its own. */
  #isMartian(machine: Machine): boolean {
    const { source, destination } = this.#parcel;
    if (source.first !== source.last) return false;
    return isMartian(this.#network, machine, rangeName(source), destination, this.#choices);
  }

  #deliver(machine: Machine, by: string | undefined): Stop {
    this.#traversal.pass(machine, "input", by, undefined, this.#verdicts.policies(machine, by, false));
    this.#parcel.comeTo(nodeName(machine.name));
    return { type: "machine", name: machine.name, machine };
  }

  #leave(
    machine: Machine,
    at: string,
    next: Exclude<Known, { type: "local" }>,
    by: string | undefined,
  ): Stop {
    const isOwn = by === "";
    if (next.type === "nowhere") {
      if (next.out) this.#round(machine, by, next.out);
      const lost = this.#lost(machine, at, next);
      return next.out && isOwn ? { ...lost, byLoopback: true } : lost;
    }
    const out: GroundLink = next.type === "pod" ? podLink : next.link;
    const hop = next.type === "pod" ? undefined : next.via;
    const pod = next.type === "pod" ? next.end : undefined;
    const judged = [
      ...this.#verdicts.policies(machine, by, pod !== undefined),
      ...this.#verdicts.groups(machine, by, pod),
    ];
    if (!isOwn) this.#traversal.pass(machine, "forward", by, out, judged);
    // The node itself always reaches its own pods.
    else if (next.type === "pod") this.#verdicts.judgeIngress();
    this.#traversal.pass(machine, "postrouting", by, out, [], hop);
    if (this.#parcel.snat?.action === "Drop")
      return { type: "lost", at: machine, why: this.#parcel.snat.reason, told: false };
    if (next.type === "pod") {
      const by = "the route to the pod's interface";
      const unfound = this.#unfound({ asker: machine, link: out, owner: undefined });
      if (unfound !== undefined) return this.#lost(machine, at, { by, why: unfound, told: false });
      this.#hops.push({ at, to: next.end.name, by });
      return this.#toPod(next.end);
    }
    const { atlas } = this.#network;
    const { machines, link, via, by: why, perhaps, outer } = next;
    const packed = this.#traversal.isRefused ? undefined : this.#sendOuter(machine, next);
    if (packed?.stopped !== undefined)
      return this.#lost(machine, at, { by: why, why: packed.stopped, told: false });
    const address = via ?? this.#parcel.destination;
    const unsure = this.#traversal.isRefused ? undefined : atlas.whyPerhaps(machine, link, address, machines);
    if (unsure !== undefined) throw this.#choices.untold(unsure);
    if (machines.length === 0 || (perhaps !== undefined && this.#choices.pick(2, perhaps) === 1)) {
      const nobody = nobodyHas(machine, next, this.#parcel.destination);
      return this.#lost(machine, at, { by: why, why: nobody, told: false });
    }
    const names = machines.map(({ name }) => name).join(" and ");
    const place = `${names} both answer for ${address} on network ${link.network}`;
    const target = machines[this.#choices.pick(machines.length, place)]!;
    const there = linkOn(target, link);
    const unfound =
      outer === undefined
        ? this.#unfound({ asker: machine, link, owner: target, ownerLink: there, address })
        : undefined;
    if (unfound !== undefined) return this.#lost(machine, at, { by: why, why: unfound, told: false });
    this.#hops.push({ at, to: target.name, ...(via !== undefined && { via }), by: why });
    this.#parcel.leave();
    if (packed) this.#parcel.mark = packed.mark;
    return this.#arrive(target, there);
  }

  /** Returns why a neighbour is not found, in worlds where it is not; it makes no difference to what is refused before. */
  #unfound(
    given: Pick<AskedFor, "asker" | "link" | "owner" | "ownerLink"> & { readonly address?: string },
  ): string | undefined {
    if (this.#traversal.isRefused) return undefined;
    const [network, choices] = [this.#network, this.#choices];
    const why = whyNotFound({ network, choices, address: this.#parcel.destination, ...given });
    return why !== undefined && choices.pick(2, why) === 1 ? why : undefined;
  }

  /** What goes through a tunnel is packed into packets that rules on their way may stop. */
  #sendOuter(machine: Machine, { link, outer }: Extract<Known, { type: "next" }>): OuterFate | undefined {
    if (outer === undefined) return undefined;
    const [network, choices] = [this.#network, this.#choices];
    return sendOuter({ network, choices, start: machine, link, to: outer, mark: this.#parcel.mark });
  }

  /**
   * By the loopback link a packet comes back. One that was passed on passes the filters again, as often as it may be; the
   * machine's own is given to the machine itself, where nobody has asked for it.
   */
  #round(machine: Machine, by: string | undefined, out: GroundLink): void {
    if (by !== "") {
      const judged = [
        ...this.#verdicts.policies(machine, by, false),
        ...this.#verdicts.groups(machine, by, undefined),
      ];
      this.#traversal.pass(machine, "forward", by, out, judged);
    }
    this.#traversal.pass(machine, "postrouting", by, out);
    this.#traversal.pass(machine, "prerouting", "lo", undefined);
    if (by === "") this.#traversal.pass(machine, "input", "lo", undefined);
    else this.#traversal.pass(machine, "forward", "lo", out);
    if (this.#parcel.translated.snat && !this.#traversal.isRefused)
      throw this.#choices.untold(`${machine.name} translates a packet that goes round by its loopback link`);
  }

  #toPod(end: End): Stop {
    this.#doubt(end);
    if (end.type === "pod" && end.pod.metadata.deletionTimestamp !== undefined) {
      const doubt = `${end.name} is being deleted: whether it still runs`;
      if (this.#choices.pick(2, doubt) === 1) {
        const at = this.#network.atlas.machineOf(end)!;
        return { type: "lost", at, why: `${end.name} is being deleted, and has gone`, told: false };
      }
    }
    if (isLoopback(rangeName(this.#parcel.source))) {
      const at = this.#network.atlas.machineOf(end)!;
      const why = `${end.name} takes no packet from outside that says it is from ${rangeName(this.#parcel.source)}`;
      return { type: "lost", at, why, told: false };
    }
    if (end.name === this.#start.from.name) {
      // Its kernel takes no packet from outside that is from itself; and its answer would never leave it.
      const at = this.#network.atlas.machineOf(end)!;
      const why = `${end.name} gets its own packet back, which says that it is from itself`;
      if (this.#isFromItself(end)) return { type: "lost", at, why, told: false };
    }
    return { type: "pod", name: end.name, end };
  }

  #isFromItself({ addresses }: End): boolean {
    return addresses.includes(rangeName(this.#parcel.source));
  }

  #lost(
    machine: Machine,
    at: string,
    { by, why, told }: { by: string; why: string; told: boolean | "expired" },
  ): Extract<Stop, { type: "lost" }> {
    this.#hops.push({ at, to: "nowhere", by });
    const isTold = told === "expired" ? this.#start.port !== undefined : told;
    const expired = told === "expired" ? { expired: true as const } : {};
    return { type: "lost", at: machine, why, told: isTold, ...expired };
  }

  #onward(machine: Machine, own: boolean): Known {
    const { atlas } = this.#network;
    if (!atlas.isLocal(machine, this.#parcel.destination)) {
      const rule = machine.rules?.find(({ family }) => family === this.#parcel.family);
      if (rule) throw this.#choices.untold(`routing rule of ${machine.name}: ${rule.text}`);
      const node = nodeName(machine.name);
      const stray = node === undefined ? undefined : this.#parcel.strayMark(node);
      if (stray !== undefined) throw this.#choices.untold(stray);
    }
    const { steered, source: range, destination } = this.#parcel;
    this.#parcel.steered = undefined;
    const source = range.first === range.last ? rangeName(range) : undefined;
    const next = atlas.onward(machine, destination, own, { steered, source });
    const isPinned = this.#start.from.type !== "pod" && this.#start.from.pinned === true;
    // A socket takes its address from the way that the kernel picks.
    if (next.type === "several" && next.sources && own && !isPinned) throw this.#choices.untold(next.why);
    return this.#picked.of(next, this.#choices);
  }
}

/**
 * Returns whether a machine passes nothing with a loopback address by a link, or to a pod's address (route.c). Of IPv6
 * nobody can change that.
 */
export function offLoopback(machine: Machine, address: string, way: string | undefined): boolean {
  if (!isLoopback(address) || way === "lo" || machine.live !== true) return false;
  return address.includes(":") || machine.localnet?.includes(way ?? "") !== true;
}

/** Returns the name of a machine's link that is on the same network as another's. */
export function linkOn(machine: Machine, { network }: GroundLink): string | undefined {
  return machine.links.find((link) => link.network === network)?.name;
}

function linkName(next: Known): GroundLink {
  if (next.type === "next") return next.link;
  if (next.type === "nowhere" && next.out) return next.out;
  return next.type === "pod" ? podLink : { name: "lo", addresses: [] };
}
