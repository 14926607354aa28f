// A packet on its journey, and what translations make of it: ours by the node's plan, others' by their rules.
import { cidrRange, type Family, formatIp, type IpRange, parseCidr, parseIp } from "../../base/ip.ts";
import type { Choices, HookPacket, Translation } from "../../plan/foreign/index.ts";
import { protocolNumbers } from "../../plan/foreign/types.ts";
import { decideSnat, rangeName } from "../../plan/snat/index.ts";
import { STEER_MASK, STEER_PRIORITY, steerMark } from "../../plan/snat/nft.ts";
import type { End } from "../ends.ts";
import { addressing } from "../ground/addressing.ts";
import { bare, type GroundLink, type Machine, nodeName, podLink } from "../ground/ground.ts";
import { chooseSource } from "../ground/source.ts";
import type { Network, SourceDecision } from "../judges/judge.ts";
import type { Port } from "../ports.ts";
import type { Hop } from "../way/way.ts";
import { decisionOf } from "./decision.ts";
import type { OwnPart } from "./hook.ts";

export interface Start {
  readonly from: End;
  readonly to: End;
  readonly source: string;
  readonly destination: string;
  readonly port: Port | undefined;
}

export interface Ends {
  readonly source: IpRange;
  readonly destination: string;
  readonly port: number | undefined;
}

/** The links that it comes and goes by at a hook, and its next hop. */
interface Way {
  readonly by: string | undefined;
  readonly out: GroundLink | undefined;
  readonly via: string | undefined;
}

/** More addresses than that are not tried one by one. */
const MOST_DESTINATIONS = 8n;

export class Parcel {
  /** Several addresses: the kernel has picked one of them. */
  source: IpRange;
  destination: string;
  port: number | undefined;
  /** undefined: not known. */
  mark: number | undefined = 0;
  /** What the machine that it is on has done. */
  translated = { dnat: false, snat: false };
  /** What has decided about its source. */
  snat: SourceDecision | undefined;
  /** The node that it is sent to next, whatever the routes say. */
  steered: string | undefined;
  readonly family: Family;
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  #wasTranslated = false;
  /** Where it comes, translations of its destination among them. */
  readonly #hops: Hop[];

  constructor(network: Network, start: Start, choices: Choices, hops: Hop[]) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    this.#hops = hops;
    this.source = one(start.source);
    this.family = this.source.family;
    this.destination = start.destination;
    this.port = start.port?.port;
  }

  /** Whether any machine on its way has translated it. */
  get isTranslated(): boolean {
    return this.#wasTranslated || this.translated.dnat || this.translated.snat;
  }

  /** It goes to another machine: marks, and what was done to a connection, are a machine's own knowledge. */
  leave(): void {
    this.#wasTranslated = this.isTranslated;
    this.translated = { dnat: false, snat: false };
    this.mark = 0;
  }

  ends(): Ends {
    return { source: this.source, destination: this.destination, port: this.port };
  }

  /** Returns it as a hook sees it. */
  view(machine: Machine, by: string | undefined, out: string | undefined): HookPacket {
    return {
      family: this.family,
      source: this.source,
      destination: one(this.destination),
      protocol: numberOf(this.#start.port, this.family),
      port: this.port,
      sourcePort: undefined,
      isSocketPort: !this.isTranslated,
      mark: this.mark,
      in: by,
      out,
      state: "new",
      translated: { ...this.translated },
      ...addressing(this.#network.atlas, machine),
      isFirst: true,
    };
  }

  /** Marks what must leave by way of another node: before destinations are translated. */
  steering(node: string, packet: HookPacket): OwnPart {
    const run = () => {
      const plan = this.#network.planOf(node);
      const decision = decideSnat(plan, this.flow(isPassing(packet.in)));
      if (decision.by === undefined || decision.by === node) return false;
      const steer = plan.steers.find(({ holder }) => holder === decision.by);
      if (!steer) return false;
      this.steered = steer.holder;
      this.snat = { ...decisionOf(decision), sourceSeen: this.#start.source, action: "None" };
      if (packet.mark !== undefined)
        packet.mark = ((packet.mark & ~STEER_MASK) | steerMark(steer.index)) >>> 0;
      return false;
    };
    return { priority: STEER_PRIORITY, run };
  }

  /** Returns the mark by which it is led to the node that translates it; undefined: it is not. */
  steerMark(node: string): number | undefined {
    const steer = this.#network.planOf(node).steers.find(({ holder }) => holder === this.steered);
    return steer && steerMark(steer.index);
  }

  /** Returns what of its mark leads it elsewhere than our own rules do; undefined: nothing. */
  strayMark(node: string): string | undefined {
    const { steers } = this.#network.planOf(node);
    const own = this.steerMark(node) ?? 0;
    const now = this.mark === undefined ? undefined : (this.mark & STEER_MASK) >>> 0;
    if (steers.length === 0 || now === own) return undefined;
    if (own === 0 && now !== undefined && !steers.some(({ index }) => steerMark(index) === now))
      return undefined;
    return `where node ${node} sends what others have marked, by a mark that leads to egress nodes`;
  }

  flow(passing: boolean) {
    return { source: formatIp(ipOf(this.source)), destination: this.destination, passing };
  }

  translateOwn(
    machine: Machine,
    node: string,
    { by, out, via }: Way & { readonly out: GroundLink },
  ): boolean {
    const decision = decideSnat(this.#network.planOf(node), this.flow(isPassing(by)));
    if (decision.by !== undefined) return false;
    const told = { ...decisionOf(decision), ...this.#elsewhere(machine) };
    switch (decision.action) {
      case "None":
        this.snat ??= told;
        return false;
      case "Drop":
        this.snat = told;
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
    this.snat = { ...told, sourceSeen: rangeName(this.source) };
    return true;
  }

  #elsewhere(machine: Machine): { by?: string } {
    const node = nodeName(machine.name);
    const own = this.#network.atlas.machineOf(this.#start.from);
    return node !== undefined && own !== machine ? { by: node } : {};
  }

  /** A rule of another program translates; false where the kernel drops the packet, because it cannot. */
  translate(machine: Machine, rule: string, to: Translation, way: Way): boolean {
    switch (to.type) {
      case "dnat":
      case "redirect":
        return this.#moveDestination(machine, rule, to, way.by);
      case "snat":
        this.#setSource(to.to);
        break;
      case "masquerade": {
        const source = way.out && this.#masqueradeSource(machine, way.out, way.via);
        if (source === undefined) throw this.#choices.untold(rule);
        this.#setSource(one(source));
      }
    }
    const before = this.snat ?? this.untranslated(machine);
    this.snat = {
      ...before,
      ...this.#elsewhere(machine),
      action: to.type === "snat" ? "Address" : "Masquerade",
      sourceSeen: rangeName(this.source),
      reason: `${before.reason}; but a foreign rule translates it: ${rule}`,
      foreignRule: rule,
    };
    return true;
  }

  #moveDestination(
    machine: Machine,
    rule: string,
    to: Extract<Translation, { type: "dnat" | "redirect" }>,
    by: string | undefined,
  ): boolean {
    const { ports } = to;
    const [before, portBefore] = [this.destination, this.port];
    if (to.type === "dnat" && to.to) {
      const count = to.to.last - to.to.first + 1n;
      if (count > MOST_DESTINATIONS) throw this.#choices.untold(rule);
      const at = this.#choices.pick(Number(count), rule);
      this.destination = formatIp({ family: this.family, value: to.to.first + BigInt(at) });
    } else if (to.type === "redirect") {
      const link = by === podLink.name ? podLink : machine.links.find(({ name }) => name === by);
      const own = link?.addresses.find((text) => text.includes(":") === (this.family === 6));
      // Redirected is to the address of the link that it came by; links to pods have none of IPv4 (nf_nat_redirect.c).
      if (link && own === undefined && this.family === 4) return false;
      if (by !== "" && own === undefined) throw this.#choices.untold(rule);
      this.destination = by === "" ? (this.family === 4 ? "127.0.0.1" : "::1") : bare(own ?? "");
    }
    if (ports && this.port !== undefined) {
      if (ports.first !== ports.last) throw this.#choices.untold(rule);
      this.port = ports.first;
    }
    if (this.destination !== before || this.port !== portBefore) this.translated.dnat = true;
    const port = this.port === undefined ? "" : `:${this.port}`;
    this.#hops.push({
      at: machine.name,
      to: `${this.destination}${port}`,
      by: `${rule} (it was for ${before})`,
    });
    return true;
  }

  #setSource(source: IpRange): void {
    // The kernel calls it translated only if something has changed (nf_nat_setup_info of nf_nat_core.c).
    const { first, last } = this.source;
    if (source.first !== first || source.last !== last) this.translated.snat = true;
    this.source = source;
  }

  #masqueradeSource(machine: Machine, out: GroundLink, via: string | undefined): string | undefined {
    const destination = parseIp(this.destination);
    return chooseSource(machine, out, destination, via === undefined ? destination : parseIp(via));
  }

  /** Why nothing has translated the source. */
  untranslated(machine: Machine): SourceDecision {
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
    const decision = decisionOf(
      decideSnat(this.#network.planOf(node), { source, destination: this.destination }),
    );
    return { ...decision, action: "None", sourceSeen: source };
  }

  /** It has come to the node that would have translated it for others. */
  comeTo(node: string | undefined): void {
    if (this.snat?.action !== "None" || this.snat.by === undefined || this.snat.by !== node) return;
    const { by: _, ...rest } = this.snat;
    const reason = `${this.destination} is an address of node ${node} itself, which holds the source address`;
    this.snat = { ...rest, reason };
  }
}

/** Returns whether who comes to a node by that link is not its own pod, nor the node itself. */
export function isPassing(by: string | undefined): boolean {
  return by !== podLink.name && by !== "";
}

function numberOf(port: Port | undefined, family: Family): number {
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
export function rangeOf(text: string): IpRange {
  if (text.includes("/")) return cidrRange(parseCidr(text));
  const [first = "", last = first] = text.split("-");
  return { ...one(first), last: parseIp(last).value };
}
