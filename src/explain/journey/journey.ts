// The journey of a connection's first packet from hook to hook, each judge asked about the packet as it is there: out of
// its sender, over each machine (prerouting, forward, postrouting, or input), to where it ends. What cannot be known is
// chosen (plan/foreign/choices.ts), so that within one journey everything is definite.
//
// On a machine, as the kernel has it: destinations are translated first (prerouting, or output where the packet is the
// machine's own), then it is routed, then policies and others' filters see it (forward or input), and sources are
// translated last. So the policies of a pod's own node see the pod's address, those of another node what was made of it.
import { cidrRange, type Family, formatIp, type IpRange, parseCidr, parseIp } from "../../base/ip.ts";
import type { Choices, Hook, HookPacket, Translation } from "../../plan/foreign/index.ts";
import { protocolNumbers } from "../../plan/foreign/types.ts";
import { decideSnat, type SnatPlan } from "../../plan/snat/index.ts";
import { NAT_PRIORITY, STEER_MASK, STEER_PRIORITY, steerMark } from "../../plan/snat/nft.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import { type End, endAt, isOnNode } from "../ends.ts";
import { isLoopback, type Onward, podLink, type Stop } from "../ground/atlas.ts";
import { bare, type GroundLink, type Machine, nodeName } from "../ground/ground.ts";
import { chooseSource } from "../ground/source.ts";
import type { DirectionVerdict, Network, SourceDecision } from "../judge.ts";
import type { Port } from "../ports.ts";
import { gatewayOf, type Hop } from "../way.ts";
import { decisionOf } from "./decision.ts";
import { type OwnPart, passHook, type Refused } from "./hook.ts";

/** No way in any lab is longer; who is passed on more often goes round in circles. */
export const MOST_HOPS = 16;
const FILTER_PRIORITY = -20;

/** A connection as a machine knows it: what its first packet was when it came, and what it was when it left. */
export interface Tracked {
  readonly machine: Machine;
  readonly before: Ends;
  after: Ends;
}

export interface Ends {
  readonly source: IpRange;
  readonly destination: string;
  readonly port: number | undefined;
}

/** A hook that the packet passed, so that the packets after the first can be sent the same way. */
export interface Passed {
  readonly machine: Machine;
  readonly hook: Hook;
  /** As it came to the hook, and as it left it. */
  readonly before: HookPacket;
  readonly after: HookPacket;
}

/** Something on the way that may have refused the packet, in the order in which it was asked. */
export type Asked = "egress" | "ingress" | "rules" | "source";

export interface Travelled {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  readonly snat: SourceDecision;
  readonly hops: readonly Hop[];
  /** Where it ends, if nobody refuses it on the way. */
  readonly stop: Stop;
  /** What it asks for there. */
  readonly destination: string;
  readonly port: Port | undefined;
  readonly source: IpRange;
  /** A rule of another program that stops it on the way. */
  readonly refused?: Refused & { readonly at: Machine };
  readonly asked: readonly Asked[];
  readonly tracked: readonly Tracked[];
  readonly passed: readonly Passed[];
}

export interface Start {
  readonly from: End;
  readonly to: End;
  readonly source: string;
  readonly destination: string;
  readonly port: Port | undefined;
}

type Known = Exclude<Onward, { type: "unknown" }>;

/** Sends a connection's first packet. The sender's machine is one that the atlas knows. */
export function travel(network: Network, start: Start, choices: Choices): Travelled {
  return new Journey(network, start, choices).run();
}

class Journey {
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  readonly #family: Family;
  readonly #protocol: number;
  readonly #hops: Hop[] = [];
  readonly #tracked: Tracked[] = [];
  readonly #passed: Passed[] = [];
  #source: IpRange;
  #destination: string;
  #port: number | undefined;
  #mark: number | undefined = 0;
  #translated = { dnat: false, snat: false };
  #egress: DirectionVerdict | undefined;
  #ingress: DirectionVerdict | undefined;
  #snat: SourceDecision | undefined;
  #refused: Travelled["refused"];
  #steered: string | undefined;
  readonly #asked: Asked[] = [];

  constructor(network: Network, start: Start, choices: Choices) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    const source = parseIp(start.source);
    this.#family = source.family;
    this.#source = one(start.source);
    this.#destination = start.destination;
    this.#port = start.port?.port;
    this.#protocol = numberOf(start.port, source.family);
  }

  run(): Travelled {
    const { from } = this.#start;
    const machine = this.#network.atlas.machineOf(from)!;
    const stop = isOnNode(from) || from.type === "host" ? this.#send(machine) : this.#fromPod(machine);
    const { egress, ingress } = this.#judge();
    const port = this.#start.port && { ...this.#start.port, port: this.#port ?? this.#start.port.port };
    return {
      egress: this.#egress ?? egress,
      ingress: this.#ingress ?? ingress,
      snat: this.#snat ?? this.#untranslated(machine),
      hops: this.#hops,
      stop,
      destination: this.#destination,
      port,
      source: this.#source,
      ...(this.#refused && { refused: this.#refused }),
      asked: this.#asked,
      tracked: this.#tracked,
      passed: this.#passed,
    };
  }

  #fromPod(machine: Machine): Stop {
    const { from } = this.#start;
    if (isLoopback(this.#destination) || from.addresses.includes(this.#destination)) {
      this.#hops.push({ at: from.name, to: from.name, by: "its own address: the packet never leaves" });
      return { type: "pod", name: from.name, end: from };
    }
    const by = "the pod's default route, through its veth pair";
    this.#hops.push({ at: from.name, to: machine.name, via: gatewayOf(this.#destination), by });
    return this.#arrive(machine, podLink.name);
  }

  /** A machine's own packet: routed, translated, routed again if that changed where it goes, and sent. */
  #send(machine: Machine): Stop {
    const { from } = this.#start;
    const first = this.#onward(machine, true);
    if (first.type === "nowhere") return this.#lost(machine, from.name, first);
    this.#track(machine);
    this.#hook(machine, "output", "", linkName(first));
    const next = this.#onward(machine, true);
    if (next.type === "local") return this.#toItself(machine, from.name);
    return this.#leave(machine, from.name, next, "");
  }

  #toItself(machine: Machine, at: string): Stop {
    if (this.#hops.length === 0)
      this.#hops.push({ at, to: at, by: "its own address: the packet never leaves" });
    const lo = machine.links.find(({ name }) => name === "lo") ?? { name: "lo", addresses: [] };
    this.#hook(machine, "postrouting", "", lo);
    this.#hook(machine, "prerouting", "lo", undefined);
    return this.#deliver(machine, "lo");
  }

  #arrive(machine: Machine, by: string | undefined): Stop {
    if (this.#hops.length > MOST_HOPS) {
      const why = `packets to ${this.#destination} go round in circles`;
      return { type: "lost", at: machine, why, told: false };
    }
    if (this.#tracked.some((known) => known.machine === machine) && this.#isTranslated())
      throw this.#choices.untold(`the packet passes ${machine.name} twice, and is translated on its way`);
    this.#track(machine);
    this.#hook(machine, "prerouting", by, undefined);
    if (this.#isMartian(machine)) {
      const why = `${machine.name} takes no packet from outside that says it is from ${rangeName(this.#source)}, its own address`;
      return { type: "lost", at: machine, why, told: false };
    }
    const next = this.#onward(machine, false);
    if (next.type === "local") return this.#deliver(machine, by);
    return this.#leave(machine, machine.name, next, by);
  }

  /** The kernel drops IPv4 packets that come in with an address of its own as source. */
  #isMartian(machine: Machine): boolean {
    const { family, first, last } = this.#source;
    return family === 4 && first === last && this.#network.atlas.isLocal(machine, rangeName(this.#source));
  }

  #deliver(machine: Machine, by: string | undefined): Stop {
    this.#hook(machine, "input", by, undefined, this.#policyParts(machine, by, false));
    const holder = nodeName(machine.name);
    if (
      this.#snat &&
      this.#snat.action === "None" &&
      this.#snat.by !== undefined &&
      this.#snat.by === holder
    ) {
      const { by: _, ...rest } = this.#snat;
      const reason = `${this.#destination} is an address of node ${holder} itself, which holds the source address`;
      this.#snat = { ...rest, reason };
    }
    return { type: "machine", name: machine.name, machine };
  }

  #leave(
    machine: Machine,
    at: string,
    next: Exclude<Known, { type: "local" }>,
    by: string | undefined,
  ): Stop {
    if (next.type === "nowhere") return this.#lost(machine, at, next);
    const isOwn = by === "";
    const out: GroundLink = next.type === "pod" ? podLink : next.link;
    const hop = next.type === "pod" ? undefined : next.via;
    if (!isOwn) this.#hook(machine, "forward", by, out, this.#policyParts(machine, by, next.type === "pod"));
    // The node itself always reaches its own pods.
    else if (next.type === "pod") this.#ingress = this.#note("ingress", this.#judge().ingress);
    this.#hook(machine, "postrouting", by, out, [], hop);
    if (this.#snat?.action === "Drop")
      return { type: "lost", at: machine, why: this.#snat.reason, told: false };
    if (next.type === "pod") {
      this.#hops.push({ at, to: next.end.name, by: "the route to the pod's interface" });
      return this.#toPod(next.end);
    }
    const { machines, link, via, by: why, perhaps } = next;
    if (perhaps !== undefined && this.#choices.pick(2, perhaps) === 1) {
      const nobody = `nobody on network ${link.network} has ${via ?? this.#destination}`;
      return this.#lost(machine, at, { by: why, why: nobody, told: false });
    }
    const names = machines.map(({ name }) => name).join(" and ");
    const place = `${names} both answer for ${via ?? this.#destination} on network ${link.network}`;
    const target = machines[this.#choices.pick(machines.length, place)]!;
    this.#hops.push({ at, to: target.name, ...(via !== undefined && { via }), by: why });
    return this.#arrive(target, target.links.find(({ network }) => network === link.network)?.name);
  }

  #toPod(end: End): Stop {
    if (end.type === "pod" && end.pod.metadata.deletionTimestamp !== undefined) {
      const doubt = `${end.name} is being deleted: whether it still runs`;
      if (this.#choices.pick(2, doubt) === 1) {
        const at = this.#network.atlas.machineOf(end)!;
        return { type: "lost", at, why: `${end.name} is being deleted, and has gone`, told: false };
      }
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
    return addresses.includes(rangeName(this.#source));
  }

  #lost(machine: Machine, at: string, { by, why, told }: { by: string; why: string; told: boolean }): Stop {
    this.#hops.push({ at, to: "nowhere", by });
    return { type: "lost", at: machine, why, told };
  }

  #onward(machine: Machine, own: boolean): Known {
    const { atlas } = this.#network;
    if (!atlas.isLocal(machine, this.#destination)) {
      const rule = machine.rules?.find(({ family }) => family === this.#family);
      if (rule) throw this.#choices.untold(`routing rule of ${machine.name}: ${rule.text}`);
    }
    const steered = this.#steered;
    this.#steered = undefined;
    const { first, last } = this.#source;
    const source = first === last ? rangeName(this.#source) : undefined;
    const next = atlas.onward(machine, this.#destination, own, { steered, source });
    if (next.type === "unknown") throw this.#choices.untold(next.why);
    return next;
  }

  #hook(
    machine: Machine,
    hook: Hook,
    by: string | undefined,
    out: GroundLink | undefined,
    own: readonly OwnPart[] = [],
    via?: string,
  ): void {
    const packet = this.#packet(machine, by, out ? out.name : "");
    const before = { ...packet };
    const node = nodeName(machine.name);
    const parts = node !== undefined && hook === "prerouting" ? [...own, this.#steering(node, packet)] : own;
    const refused = passHook({
      hook,
      // What comes after a refusal only tells what policies would say.
      rules: this.#isRefused() ? undefined : this.#network.rulesOf(machine.name),
      packet,
      choices: this.#choices,
      own: parts,
      ...(node !== undefined &&
        hook === "postrouting" &&
        out && {
          ownNat: { priority: NAT_PRIORITY, run: () => this.#translateOwn(machine, node, out, via) },
        }),
      translate: (rule, to) => {
        this.#translate(machine, rule, to, { by, out, via });
        packet.source = this.#source;
        packet.destination = one(this.#destination);
        packet.port = this.#port;
        packet.translated = { ...this.#translated };
      },
    });
    this.#mark = packet.mark;
    this.#passed.push({ machine, hook, before, after: { ...packet } });
    if (refused && !this.#refused) {
      this.#refused = { ...refused, at: machine };
      this.#asked.push("rules");
    }
    const tracked = this.#tracked.at(-1);
    if (tracked?.machine === machine) tracked.after = this.#ends();
  }

  #isRefused(): boolean {
    return this.#refused !== undefined || [this.#egress, this.#ingress].some((one) => one?.allowed === false);
  }

  #packet(machine: Machine, by: string | undefined, out: string | undefined): HookPacket {
    return {
      family: this.#family,
      source: this.#source,
      destination: one(this.#destination),
      protocol: this.#protocol,
      port: this.#port,
      sourcePort: undefined,
      mark: this.#mark,
      in: by,
      out,
      state: "new",
      translated: { ...this.#translated },
      isLocal: (address) => this.#network.atlas.isLocal(machine, address),
      isFirst: true,
    };
  }

  /** Our own rules that judge new connections: of what comes from a pod, and of what goes to one. */
  #policyParts(machine: Machine, by: string | undefined, toPod: boolean): OwnPart[] {
    if (nodeName(machine.name) === undefined) return [];
    const run = () => {
      const verdicts = this.#judge();
      if (by === podLink.name) this.#egress = this.#note("egress", verdicts.egress);
      if (toPod) this.#ingress = this.#note("ingress", verdicts.ingress);
      return this.#isRefused();
    };
    return by === podLink.name || toPod ? [{ priority: FILTER_PRIORITY, run }] : [];
  }

  #note(what: Asked, verdict: DirectionVerdict): DirectionVerdict {
    this.#asked.push(what);
    return verdict;
  }

  #judge() {
    const { from, to, source, destination, port } = this.#start;
    const { facts, policies } = this.#network;
    const sources = this.#source.first === this.#source.last ? formatIp(ipOf(this.#source)) : undefined;
    const isMoved = this.#destination !== destination;
    return policies({
      from:
        sources === source
          ? from
          : sources === undefined
            ? nobody(rangeName(this.#source), this.#source)
            : endAt(facts, sources),
      to: isMoved ? endAt(facts, this.#destination) : to,
      source: sources ?? formatIp(ipOf(this.#source)),
      destination: this.#destination,
      port: port && { ...port, port: this.#port ?? port.port },
    });
  }

  /** Marks what must leave by way of another node: before destinations are translated. */
  #steering(node: string, packet: HookPacket): OwnPart {
    const run = () => {
      const plan = this.#network.planOf(node);
      const decision = decideSnat(plan, this.#flow());
      if (decision.by === undefined || decision.by === node) return false;
      const steer = plan.steers.find(({ holder }) => holder === decision.by);
      if (!steer) return false;
      this.#steered = steer.holder;
      this.#snat = { ...decisionOf(decision), sourceSeen: this.#start.source, action: "None" };
      if (packet.mark !== undefined)
        packet.mark = ((packet.mark & ~STEER_MASK) | steerMark(steer.index)) >>> 0;
      return false;
    };
    return { priority: STEER_PRIORITY, run };
  }

  #flow() {
    return { source: formatIp(ipOf(this.#source)), destination: this.#destination };
  }

  #translateOwn(machine: Machine, node: string, out: GroundLink, via: string | undefined): boolean {
    const decision = decideSnat(this.#network.planOf(node), this.#flow());
    if (decision.by !== undefined) return false;
    const told = { ...decisionOf(decision), ...this.#elsewhere(machine) };
    switch (decision.action) {
      case "None":
        this.#snat ??= told;
        return false;
      case "Drop":
        this.#snat = told;
        this.#asked.push("source");
        return true;
      case "Masquerade": {
        const source = this.#masqueradeSource(machine, out, via);
        if (source === undefined)
          throw this.#choices.untold(`${machine.name} has no address to translate to`);
        this.#setSource(one(source));
        break;
      }
      case "Address":
        this.#setSource(rangeOf(decision.sourceSeen ?? ""));
        break;
    }
    this.#snat = { ...told, sourceSeen: rangeName(this.#source) };
    return true;
  }

  #elsewhere(machine: Machine): { by?: string } {
    const node = nodeName(machine.name);
    const own = this.#network.atlas.machineOf(this.#start.from);
    return node !== undefined && own !== machine ? { by: node } : {};
  }

  /** A rule of another program translates. */
  #translate(
    machine: Machine,
    rule: string,
    to: Translation,
    way: { by: string | undefined; out: GroundLink | undefined; via: string | undefined },
  ): void {
    switch (to.type) {
      case "dnat":
      case "redirect":
        this.#moveDestination(machine, rule, to, way.by);
        return;
      case "snat":
        this.#setSource(to.to);
        break;
      case "masquerade": {
        const source = way.out && this.#masqueradeSource(machine, way.out, way.via);
        if (source === undefined) throw this.#choices.untold(rule);
        this.#setSource(one(source));
      }
    }
    const before = this.#snat ?? this.#untranslated(machine);
    this.#snat = {
      ...before,
      ...this.#elsewhere(machine),
      action: to.type === "snat" ? "Address" : "Masquerade",
      sourceSeen: rangeName(this.#source),
      reason: `${before.reason}; but a foreign rule translates it: ${rule}`,
      foreignRule: rule,
    };
  }

  #moveDestination(
    machine: Machine,
    rule: string,
    to: Extract<Translation, { type: "dnat" | "redirect" }>,
    by: string | undefined,
  ): void {
    const { ports } = to;
    const before = this.#destination;
    if (to.type === "dnat") {
      const count = to.to.last - to.to.first + 1n;
      if (count > 8n) throw this.#choices.untold(rule);
      const at = this.#choices.pick(Number(count), rule);
      this.#destination = formatIp({ family: this.#family, value: to.to.first + BigInt(at) });
    } else {
      const link = machine.links.find(({ name }) => name === by);
      const own = link?.addresses.find((text) => text.includes(":") === (this.#family === 6));
      if (by !== "" && own === undefined) throw this.#choices.untold(rule);
      this.#destination = by === "" ? (this.#family === 4 ? "127.0.0.1" : "::1") : bare(own ?? "");
    }
    if (ports && this.#port !== undefined) {
      if (ports.first !== ports.last) throw this.#choices.untold(rule);
      this.#port = ports.first;
    }
    this.#translated.dnat = true;
    const port = this.#port === undefined ? "" : `:${this.#port}`;
    this.#hops.push({
      at: machine.name,
      to: `${this.#destination}${port}`,
      by: `${rule} (it was for ${before})`,
    });
  }

  #setSource(source: IpRange): void {
    this.#source = source;
    this.#translated.snat = true;
  }

  #masqueradeSource(machine: Machine, out: GroundLink, via: string | undefined): string | undefined {
    const destination = parseIp(this.#destination);
    return chooseSource(machine, out, destination, via === undefined ? destination : parseIp(via));
  }

  /** Why nothing has translated the source. */
  #untranslated(machine: Machine): SourceDecision {
    const { from, to, source } = this.#start;
    if (from.name === to.name)
      return { action: "None", sourceSeen: source, reason: "the packet never leaves the pod" };
    const node = nodeName(machine.name);
    if (node === undefined)
      return {
        action: "None",
        sourceSeen: source,
        reason: `${from.name} is outside of the cluster: only pods' traffic is translated`,
      };
    const plan: SnatPlan = this.#network.planOf(node);
    const decision = decisionOf(decideSnat(plan, { source, destination: this.#destination }));
    return { ...decision, action: "None", sourceSeen: source };
  }

  #track(machine: Machine): void {
    this.#tracked.push({ machine, before: this.#ends(), after: this.#ends() });
  }

  #ends(): Ends {
    return { source: this.#source, destination: this.#destination, port: this.#port };
  }

  #isTranslated(): boolean {
    return this.#translated.dnat || this.#translated.snat;
  }
}

function linkName(next: Known): GroundLink {
  if (next.type === "next") return next.link;
  return next.type === "pod" ? podLink : { name: "lo", addresses: [] };
}

function nobody(name: string, range: IpRange): End {
  return { type: "address", name, addresses: [formatIp(ipOf(range))] };
}

export function numberOf(port: Port | undefined, family: Family): number {
  const name = port?.protocol.toLowerCase() ?? (family === 4 ? "icmp" : "ipv6-icmp");
  return protocolNumbers[name]!;
}

export function one(address: string): IpRange {
  const { family, value } = parseIp(address);
  return { family, first: value, last: value };
}

function ipOf({ family, first }: IpRange) {
  return { family, value: first };
}

/** Reads what rangeName writes: an address, a range of prefix form, or one with two ends. */
function rangeOf(text: string): IpRange {
  if (text.includes("/")) return cidrRange(parseCidr(text));
  const [first = "", last = first] = text.split("-");
  return { ...one(first), last: parseIp(last).value };
}
