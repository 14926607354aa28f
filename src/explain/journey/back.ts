// The way of answers. An answer goes to the address that was seen; machines that translated the first packet know the
// connection, and they alone translate the answer back, whatever the routes. Nat chains are not asked again, filters are.
import { formatIp, type IpRange, parseIp } from "../../base/ip.ts";
import {
  type Choices,
  flagsOfAnswers,
  flagsOfRefusal,
  type Hook,
  type HookPacket,
  type IcmpError,
} from "../../plan/foreign/index.ts";
import { decideSnat, rangeName } from "../../plan/snat/index.ts";
import { NAT_PRIORITY } from "../../plan/snat/nft.ts";
import { addressing } from "../ground/addressing.ts";
import { type Machine, nodeName, podLink } from "../ground/ground.ts";
import { nobodyHas, type Onward } from "../ground/onward.ts";
import type { Network } from "../judges/judge.ts";
import { passHook } from "./hook.ts";
import { LIFE, linkOn, offLoopback } from "./journey.ts";
import { isMartian } from "./martian.ts";
import { type Asked, whyNotFound } from "./neighbours.ts";
import { type OuterFate, sendOuter } from "./outer.ts";
import { isPassing, one, type Start } from "./parcel.ts";
import { PickedWays } from "./picked-ways.ts";
import { type Tracked, type Travelled, translatedBy } from "./travelled.ts";

interface Answer {
  source: string;
  /** Of an error message: whose words it is, where that is not who was asked. What it is about is in its body. */
  teller: string | undefined;
  /** As it was before the first packet's destination was translated: told where the answer leaves the machine. */
  sourceLater: string;
  destination: string;
  readonly port: number | undefined;
}

/** Who answers, and what with. */
export interface Answering {
  readonly machine: Machine;
  /** A pod on that machine does. */
  readonly pod: boolean;
  /** It is an ICMP error message that says so. */
  readonly error: IcmpError | undefined;
  /** A rule of that machine says so: it takes that for a part of what belongs to the connection (nf_conntrack_attach). */
  readonly rejecting?: true;
  /** More follows than the one packet. */
  readonly more: boolean;
}

/** IANA numbers. */
const ICMP = 1;
const ICMPV6 = 58;

/** An answer on one machine. */
interface AtMachine {
  readonly machine: Machine;
  by: string | undefined;
  readonly out: string | undefined;
  readonly state: HookPacket["state"];
  readonly tracked: Tracked | undefined;
  readonly error: IcmpError | undefined;
  readonly more: boolean;
  /** As the hooks before have left it. */
  mark: number | undefined;
}

/** Kernels give each connection one of a range: each of few is asked. Of more the ends and the middle are. */
const FEW_SOURCES = 8n;
const OF_MANY = 3n;

/**
 * Returns why what the far end says never comes back; undefined: it does.
 * @param met gets the machines that see both the first packet and the answer to it
 */
export function whyNoReturn(
  network: Network,
  start: Start,
  travelled: Travelled,
  from: Answering,
  choices: Choices,
  met: Set<Machine> = new Set(),
): string | undefined {
  const seen = oneOf(travelled.source, choices);
  return new Way(network, start, travelled, choices, met).follow(from, seen);
}

/** Returns an address that the connection may have been given; it is the same for all its packets. */
function oneOf(range: IpRange, choices: Choices): string {
  const { first, last, family } = range;
  const beyond = last - first;
  if (beyond === 0n) return formatIp({ family, value: first });
  const asked = beyond < FEW_SOURCES ? beyond + 1n : OF_MANY;
  const at = BigInt(choices.keep(range, Number(asked), `which of ${rangeName(range)} is used`));
  return formatIp({ family, value: first + (beyond * at) / (asked - 1n) });
}

class Way {
  readonly #network: Network;
  readonly #start: Start;
  readonly #travelled: Travelled;
  readonly #choices: Choices;
  /** Connections that have not translated an answer yet, the last one first. */
  readonly #open: Tracked[];
  readonly #met: Set<Machine>;

  constructor(network: Network, start: Start, travelled: Travelled, choices: Choices, met: Set<Machine>) {
    this.#met = met;
    this.#network = network;
    this.#start = start;
    this.#travelled = travelled;
    this.#choices = choices;
    this.#open = travelled.tracked.toReversed();
  }

  follow({ machine: first, pod, error, rejecting, more }: Answering, seen: string): string | undefined {
    const { destination, port } = this.#travelled;
    const answer: Answer = {
      source: destination,
      teller: error && !pod ? this.#tellerOn(first, seen) : undefined,
      sourceLater: destination,
      destination: seen,
      port: port?.port,
    };
    const known = error ? ("related" as const) : ("established" as const);
    const picked = new PickedWays();
    /** The mark that it comes to a machine with: what a tunnel's packets were given there. */
    let arrives: number | undefined = 0;
    let machine = first;
    let by: string | undefined = pod ? podLink.name : "";
    for (let hops = 0; hops <= LIFE; hops++) {
      this.#doubt(machine);
      const tracked = this.#translate(machine, answer);
      const own = by === "";
      const way = by === podLink.name ? answer.source : by;
      if (!own && offLoopback(machine, answer.destination, way))
        return lost(seen, `${machine.name} keeps ${answer.destination} to itself`);
      const from = answer.teller ?? answer.source;
      if (!own && isMartian(this.#network, machine, from, answer.destination, this.#choices))
        return lost(seen, `${machine.name} takes it for its own, from outside`);
      const onward = this.#network.atlas.onward(machine, answer.destination, own, {
        source: from,
      });
      const next = picked.of(onward, this.#choices);
      const rule = machine.rules?.find(({ family }) => family === (answer.destination.includes(":") ? 6 : 4));
      if (rule && next.type !== "local")
        throw this.#choices.untold(`routing rule of ${machine.name}: ${rule.text}`);
      if (next.type === "nowhere") return lost(seen, next.why);
      const out = next.type === "next" ? next.link.name : next.type === "pod" ? podLink.name : "lo";
      const hooks = hooksOf(own, next.type === "local");
      let mark: number | undefined = 0;
      const state = rejecting && machine === first ? "related" : known;
      const states = tracked ? [state] : this.#statesWhereUnknown(machine, error !== undefined, more);
      for (const as of states) {
        const at: AtMachine = { machine, by, out, state: as, tracked, error, more, mark: arrives };
        for (const hook of hooks) {
          const isInside = own && (hook === "prerouting" || hook === "input");
          const stopped = isInside
            ? this.#pass(hook, { ...answer, source: answer.sourceLater }, Object.assign(at, { by: "lo" }))
            : this.#pass(hook, answer, at);
          if (stopped !== undefined) return lost(seen, stopped);
        }
        mark = at.mark;
      }
      answer.source = answer.sourceLater;
      // Whoever translated the destination puts it into the error, too.
      const isMoved = tracked !== undefined && tracked.before.destination !== tracked.after.destination;
      if (isMoved && answer.teller !== undefined) answer.teller = tracked.before.destination;
      if (next.type === "local") return this.#end(machine.name, this.#isSender(machine), answer, seen);
      if (next.type === "pod") {
        const asked = answer.destination;
        const unfound = this.#unfound({ asker: machine, link: podLink, owner: undefined, address: asked });
        if (unfound !== undefined) return lost(seen, unfound);
        return this.#end(next.end.name, next.end.name === this.#start.from.name, answer, seen);
      }
      const packed = next.outer === undefined ? undefined : this.#sendOuter(machine, next, mark);
      if (packed?.stopped !== undefined) return lost(seen, packed.stopped);
      arrives = packed ? packed.mark : 0;
      const isLost = next.machines.length === 0;
      const address = next.via ?? answer.destination;
      const unsure = this.#network.atlas.whyPerhaps(machine, next.link, address, next.machines);
      if (unsure !== undefined) throw this.#choices.untold(unsure);
      if (isLost || (next.perhaps !== undefined && this.#choices.pick(2, next.perhaps) === 1))
        return lost(seen, nobodyHas(machine, next, answer.destination));
      const names = next.machines.map(({ name }) => name).join(" and ");
      const doubt = `${names} both answer for ${address} on network ${next.link.network}`;
      const target = next.machines[this.#choices.pick(next.machines.length, doubt)]!;
      const ownerLink = linkOn(target, next.link);
      const about = { asker: machine, link: next.link, owner: target, ownerLink, address };
      const unfound = next.outer === undefined ? this.#unfound(about) : undefined;
      if (unfound !== undefined) return lost(seen, unfound);
      machine = target;
      by = ownerLink;
    }
    return lost(seen, "it goes round in circles");
  }

  #sendOuter(
    start: Machine,
    { link, outer: to = "" }: Extract<Onward, { type: "next" }>,
    mark: number | undefined,
  ): OuterFate {
    return sendOuter({ network: this.#network, choices: this.#choices, start, link, to, mark });
  }

  #unfound(given: Omit<Asked, "network" | "choices">): string | undefined {
    const why = whyNotFound({ network: this.#network, choices: this.#choices, ...given });
    return why !== undefined && this.#choices.pick(2, why) === 1 ? why : undefined;
  }

  /** What is not followed of a machine that the first packet has not passed. */
  #doubt(machine: Machine): void {
    if (this.#travelled.tracked.some((one) => one.machine === machine)) return;
    const odd = this.#network.atlas.oddOf(machine, this.#start.port === undefined);
    if (odd !== undefined && this.#choices.pick(2, odd) === 1) throw this.#choices.untold(odd);
  }

  /** Whoever knows the connection gives the answer its ends back. */
  #translate(machine: Machine, answer: Answer): Tracked | undefined {
    const at = this.#open.findIndex(
      ({ machine: owner, after }) =>
        owner === machine && after.destination === answer.source && isIn(answer.destination, after.source),
    );
    const tracked = this.#open[at];
    if (!tracked) return undefined;
    this.#open.splice(at, 1);
    this.#met.add(machine);
    if (tracked.before.source !== tracked.after.source)
      answer.destination = oneOf(tracked.before.source, this.#choices);
    answer.sourceLater = tracked.before.destination;
    return tracked;
  }

  /**
   * What a machine that sees only the answers takes them for. A datagram begins something; of TCP the first answer is
   * nothing that it knows, but what follows begins something too, unless the machine has been told to be strict.
   */
  #statesWhereUnknown({ strictTcp }: Machine, error: boolean, more: boolean): readonly HookPacket["state"][] {
    const protocol = error ? undefined : this.#start.port?.protocol;
    if (protocol === "UDP") return ["new"];
    return protocol === "TCP" && more && strictTcp !== true ? ["invalid", "new"] : ["invalid"];
  }

  /** Returns what becomes of the answer at a hook, unless it passes as it is. */
  #pass(hook: Hook, answer: Answer, at: AtMachine): string | undefined {
    const { before } = this.#travelled.passed[0] ?? {};
    if (!before) return undefined;
    const { machine, by, state, tracked, error } = at;
    const rules = this.#network.rulesOf(machine.name);
    const isBeginning = `${machine.name}, which sees only the answers, takes them for something new`;
    let changed: string | undefined;
    const own = this.#ownSource(machine, answer, by);
    const isOut = hook !== "prerouting" && hook !== "input";
    const packet: HookPacket = {
      ...before,
      source: one(answer.teller ?? answer.source),
      destination: one(answer.destination),
      ...(error !== undefined && { protocol: before.family === 4 ? ICMP : ICMPV6 }),
      sourcePort: error === undefined ? answer.port : undefined,
      port: undefined,
      isSocketPort: this.#travelled.tracked.every(isUntouched),
      mark: at.mark,
      in: by,
      out: isOut ? at.out : "",
      state,
      translated: tracked ? translatedBy(tracked) : { dnat: false, snat: false },
      ...addressing(this.#network.atlas, machine),
      isFirst: false,
      isAnswer: true,
      flags: at.more ? flagsOfAnswers : flagsOfRefusal,
      error,
    };
    const node = nodeName(machine.name);
    const behind = node === undefined ? undefined : this.#network.behind(node, hook, { ...packet, mark: 0 });
    if (behind !== undefined && this.#choices.pick(2, behind) === 1) throw this.#choices.untold(behind);
    const refused = passHook({
      hook,
      rules,
      choices: this.#choices,
      packet,
      ...(hook === "postrouting" && {
        ownNat: {
          priority: NAT_PRIORITY,
          run: () => {
            changed = own;
            return own !== undefined;
          },
        },
      }),
      translate: (rule) => {
        changed = rule;
        return true;
      },
    });
    at.mark = packet.mark;
    if (refused) return `${machine.name} refuses it: ${refused.by}`;
    return changed === undefined ? undefined : `${isBeginning} and translates them: ${changed}`;
  }

  /** Returns why our own rules of a node would translate what it does not know, if they do. */
  #ownSource(machine: Machine, { source, destination }: Answer, by: string | undefined): string | undefined {
    const node = nodeName(machine.name);
    if (node === undefined) return undefined;
    const flow = { source, destination, passing: isPassing(by) };
    const { action, reason } = decideSnat(this.#network.planOf(node), flow);
    return action === "None" ? undefined : reason;
  }

  /** A machine that is not meant itself tells of an error with an address of its own (RFC 1812, 4.3.2.4). */
  #tellerOn(machine: Machine, to: string): string | undefined {
    const { atlas } = this.#network;
    return atlas.isLocal(machine, this.#travelled.destination) ? undefined : atlas.sourceOn(machine, to);
  }

  #isSender(machine: Machine): boolean {
    const { from } = this.#start;
    const isOfPod = from.type === "pod" && from.pod.spec.hostNetwork !== true;
    return !isOfPod && this.#network.atlas.machineOf(from) === machine;
  }

  /** It must be what the sender waits for: from the address that it asked, to the one that it spoke with. */
  #end(name: string, home: boolean, { source, destination }: Answer, seen: string): string | undefined {
    if (!home) return lost(seen, `it goes to ${name}`);
    if (parseIp(destination).value !== parseIp(this.#start.source).value)
      return lost(seen, `it comes to ${destination}`);
    return source === this.#start.destination
      ? undefined
      : lost(seen, `it says that it is from ${source}, which ${this.#start.from.name} has not asked`);
  }
}

/** What a machine says to itself leaves by its loopback link, and comes in by it. */
function hooksOf(own: boolean, local: boolean): readonly Hook[] {
  if (own) return local ? ["output", "postrouting", "prerouting", "input"] : ["output", "postrouting"];
  return local ? ["prerouting", "input"] : ["prerouting", "forward", "postrouting"];
}

function lost(seen: string, why: string): string {
  return `the answer to ${seen} does not come back: ${why}`;
}

function isIn(address: string, { family, first, last }: IpRange): boolean {
  const ip = parseIp(address);
  return ip.family === family && first <= ip.value && ip.value <= last;
}

function isUntouched(tracked: Tracked): boolean {
  const { dnat, snat } = translatedBy(tracked);
  return !dnat && !snat;
}
