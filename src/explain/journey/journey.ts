// The journey of a connection's first packet from hook to hook, each judge asked about the packet as it is there: out of
// its sender, over each machine (prerouting, forward, postrouting, or input), to where it ends. What cannot be known is
// chosen (plan/foreign/choices.ts), so that within one journey everything is definite.
//
// On a machine, as the kernel has it: destinations are translated first (prerouting, or output where the packet is the
// machine's own), then it is routed, then policies and others' filters see it (forward or input), and sources are
// translated last. So the policies of a pod's own node see the pod's address, those of another node what was made of it.
import { formatIp, type IpRange } from "../../base/ip.ts";
import type { Choices, Hook, HookPacket } from "../../plan/foreign/index.ts";
import { NAT_PRIORITY } from "../../plan/snat/nft.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import { type End, endAt, isOnNode } from "../ends.ts";
import { isLoopback, nobodyHas, type Onward, podLink, type Stop } from "../ground/atlas.ts";
import { type GroundLink, type Machine, nodeName } from "../ground/ground.ts";
import { settled, withGroups } from "../judges/group-judge.ts";
import type { DirectionVerdict, GroupWord, Network, PolicyVerdict, SourceDecision } from "../judges/judge.ts";
import type { Port } from "../ports.ts";
import { gatewayOf, type Hop } from "../way/way.ts";
import { type OwnPart, passHook, type Refused } from "./hook.ts";
import { type Ends, one, Parcel, type Start } from "./parcel.ts";
import { PickedWays } from "./picked-ways.ts";
import { isTunnelPort, tunnelRefusal } from "./tunnel-end.ts";

/** Machines that pass a packet on until its life is over: what Linux gives it (net.ipv4.ip_default_ttl, hop_limit). */
export const LIFE = 64;
/** No way in any lab has more hops; of one that goes round in circles those tell it. */
const MOST_TOLD_HOPS = 16;
const FILTER_PRIORITY = -20;
/** More sources than that are not asked one by one. */
const MOST_SOURCES = 256n;

/** A connection as a machine knows it: what its first packet was when it came, and what it was when it left. */
export interface Tracked {
  readonly machine: Machine;
  readonly before: Ends;
  after: Ends;
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
export type Asked = "egress" | "ingress" | "rules";

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
  readonly refused?: Refused & {
    readonly at: Machine;
    readonly hook: Hook;
    /** Our own source translation has dropped it before. */
    readonly afterDrop: boolean;
    /** What it was there and who knew of it: what comes after only tells what would have become of it. */
    readonly there: Pick<Travelled, "source" | "destination" | "port" | "tracked">;
  };
  readonly asked: readonly Asked[];
  readonly tracked: readonly Tracked[];
  readonly passed: readonly Passed[];
}

type Known = Exclude<Onward, { type: "unknown" | "several" }>;

/** Sends a connection's first packet. The sender's machine is one that the atlas knows. */
export function travel(network: Network, start: Start, choices: Choices): Travelled {
  return new Journey(network, start, choices).run();
}

class Journey {
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  readonly #parcel: Parcel;
  readonly #hops: Hop[] = [];
  readonly #tracked: Tracked[] = [];
  readonly #passed: Passed[] = [];
  #egress: DirectionVerdict | undefined;
  #ingress: DirectionVerdict | undefined;
  #refused: Travelled["refused"];
  readonly #asked: Asked[] = [];
  readonly #picked = new PickedWays();
  /** How many machines have passed it on. */
  #passedOn = 0;

  constructor(network: Network, start: Start, choices: Choices) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    this.#parcel = new Parcel(network, start, choices, this.#hops);
  }

  run(): Travelled {
    const { from } = this.#start;
    const machine = this.#network.atlas.machineOf(from)!;
    const stop = isOnNode(from) || from.type === "host" ? this.#send(machine) : this.#fromPod(machine);
    const { egress, ingress } = this.#judge();
    return {
      egress: this.#egress ?? egress,
      ingress: this.#ingress ?? ingress,
      snat: this.#parcel.snat ?? this.#parcel.untranslated(machine),
      hops: this.#hops.slice(0, MOST_TOLD_HOPS),
      stop,
      ...this.#now(),
      ...(this.#refused && { refused: this.#refused }),
      asked: this.#asked,
      passed: this.#passed,
    };
  }

  /** What the packet is by now, and who has seen it. */
  #now(): Pick<Travelled, "source" | "destination" | "port" | "tracked"> {
    const { source, destination, port } = this.#parcel;
    const asked = this.#start.port;
    return {
      source,
      destination,
      port: asked && { ...asked, port: port ?? asked.port },
      tracked: this.#tracked.map((one) => ({ ...one })),
    };
  }

  /** What is not followed makes the answer unknown, but where it is refused already. */
  #doubt(what: Machine | End): void {
    const { atlas } = this.#network;
    const doubt = this.#isRefused() ? undefined : atlas.oddOf(what, this.#start.port === undefined);
    if (doubt !== undefined && this.#choices.pick(2, doubt) === 1) throw this.#choices.untold(doubt);
  }

  #fromPod(machine: Machine): Stop {
    const { from } = this.#start;
    this.#doubt(from);
    if (isLoopback(this.#parcel.destination) || from.addresses.includes(this.#parcel.destination)) {
      this.#hops.push({ at: from.name, to: from.name, by: "its own address: the packet never leaves" });
      return { type: "pod", name: from.name, end: from };
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
    if (this.#tracked.some((known) => known.machine === machine) && this.#parcel.isTranslated)
      throw this.#choices.untold(`the packet passes ${machine.name} twice, and is translated on its way`);
    this.#doubt(machine);
    this.#track(machine);
    this.#hook(machine, "prerouting", by, undefined);
    if (this.#isMartian(machine)) {
      const why = `${machine.name} takes no packet from outside that says it is from ${rangeName(this.#parcel.source)}, its own address`;
      return { type: "lost", at: machine, why, told: false };
    }
    const next = this.#onward(machine, false);
    if (next.type === "local") return this.#deliver(machine, by);
    // Told by whoever should pass it on once more, before its filters see it (ip_forward.c).
    if (next.type !== "nowhere" && ++this.#passedOn >= LIFE) {
      const why = `packets to ${this.#parcel.destination} go round in circles`;
      return { type: "lost", at: machine, why, told: this.#start.port !== undefined };
    }
    return this.#leave(machine, machine.name, next, by);
  }

  /** The kernel drops packets that come in with a loopback address as source, and IPv4's with one of its own. */
  #isMartian(machine: Machine): boolean {
    const { family, first, last } = this.#parcel.source;
    if (first !== last) return false;
    const source = rangeName(this.#parcel.source);
    return isLoopback(source) || (family === 4 && this.#network.atlas.isLocal(machine, source));
  }

  #deliver(machine: Machine, by: string | undefined): Stop {
    this.#hook(machine, "input", by, undefined, this.#policyParts(machine, by, false));
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
    const parts = [
      ...this.#policyParts(machine, by, pod !== undefined),
      ...this.#groupParts(machine, by, pod),
    ];
    if (!isOwn) this.#hook(machine, "forward", by, out, parts);
    // The node itself always reaches its own pods.
    else if (next.type === "pod") this.#ingress = this.#note("ingress", this.#judge().ingress);
    this.#hook(machine, "postrouting", by, out, [], hop);
    if (this.#parcel.snat?.action === "Drop")
      return { type: "lost", at: machine, why: this.#parcel.snat.reason, told: false };
    if (next.type === "pod") {
      this.#hops.push({ at, to: next.end.name, by: "the route to the pod's interface" });
      return this.#toPod(next.end);
    }
    const { machines, link, via, by: why, perhaps } = next;
    if (machines.length === 0 || (perhaps !== undefined && this.#choices.pick(2, perhaps) === 1)) {
      const nobody = nobodyHas(machine, next, this.#parcel.destination);
      return this.#lost(machine, at, { by: why, why: nobody, told: false });
    }
    const names = machines.map(({ name }) => name).join(" and ");
    const place = `${names} both answer for ${via ?? this.#parcel.destination} on network ${link.network}`;
    const target = machines[this.#choices.pick(machines.length, place)]!;
    this.#hops.push({ at, to: target.name, ...(via !== undefined && { via }), by: why });
    // A mark is the machine's own word.
    this.#parcel.mark = 0;
    return this.#arrive(target, target.links.find(({ network }) => network === link.network)?.name);
  }

  /**
   * By the loopback link a packet comes back. One that was passed on passes the filters again, as often as it may be; the
   * machine's own is given to the machine itself, where nobody has asked for it.
   */
  #round(machine: Machine, by: string | undefined, out: GroundLink): void {
    if (by !== "") {
      const parts = [...this.#policyParts(machine, by, false), ...this.#groupParts(machine, by, undefined)];
      this.#hook(machine, "forward", by, out, parts);
    }
    this.#hook(machine, "postrouting", by, out);
    this.#hook(machine, "prerouting", "lo", undefined);
    if (by === "") this.#hook(machine, "input", "lo", undefined);
    else this.#hook(machine, "forward", "lo", out);
    if (this.#parcel.translated.snat && !this.#isRefused())
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
    return { type: "lost", at: machine, why, told: isTold };
  }

  #onward(machine: Machine, own: boolean): Known {
    const { atlas } = this.#network;
    if (!atlas.isLocal(machine, this.#parcel.destination)) {
      const rule = machine.rules?.find(({ family }) => family === this.#parcel.family);
      if (rule) throw this.#choices.untold(`routing rule of ${machine.name}: ${rule.text}`);
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

  #hook(
    machine: Machine,
    hook: Hook,
    by: string | undefined,
    out: GroundLink | undefined,
    own: readonly OwnPart[] = [],
    via?: string,
  ): void {
    const packet = this.#parcel.view(machine, by, out ? out.name : "");
    const before = { ...packet };
    const node = nodeName(machine.name);
    const wasRefused = this.#isRefused();
    const parts =
      node !== undefined && hook === "prerouting" ? [...own, this.#parcel.steering(node, packet)] : own;
    // Tunnels' packets are looked at before others' rules; what was translated on the way in, after them.
    const early = hook === "input" ? undefined : this.#tunnelRefusal(machine, hook, by);
    const passed = passHook({
      hook,
      // What comes after a refusal only tells what policies would say.
      rules: this.#isRefused() || early ? undefined : this.#network.rulesOf(machine.name),
      packet,
      choices: this.#choices,
      // What a machine says to itself has passed output and postrouting, with their translations.
      isSettled: by === "lo",
      own: parts,
      ...(node !== undefined &&
        hook === "postrouting" &&
        out && {
          ownNat: {
            priority: NAT_PRIORITY,
            run: () => this.#parcel.translateOwn(machine, node, { by, out, via }),
          },
        }),
      translate: (rule, to) => {
        if (!this.#parcel.translate(machine, rule, to, { by, out, via })) return false;
        packet.source = this.#parcel.source;
        packet.destination = one(this.#parcel.destination);
        packet.port = this.#parcel.port;
        packet.translated = { ...this.#parcel.translated };
        return true;
      },
    });
    const refused =
      early ?? passed ?? (hook === "input" ? this.#tunnelRefusal(machine, hook, by) : undefined);
    // Where it goes is decided of what it is by then.
    const asked = hook === "prerouting" || hook === "output" ? packet : before;
    const behind =
      node === undefined || wasRefused ? undefined : this.#network.behind(node, hook, { ...asked, mark: 0 });
    if (behind !== undefined && this.#choices.pick(2, behind) === 1) throw this.#choices.untold(behind);
    this.#parcel.mark = packet.mark;
    this.#passed.push({ machine, hook, before, after: { ...packet } });
    const tracked = this.#tracked.at(-1);
    if (tracked?.machine === machine) tracked.after = this.#parcel.ends();
    if (refused && !this.#refused) {
      const afterDrop = this.#parcel.snat?.action === "Drop";
      this.#refused = { ...refused, at: machine, hook, afterDrop, there: this.#now() };
      this.#asked.push("rules");
    }
  }

  #tunnelRefusal(machine: Machine, hook: Hook, by: string | undefined): Refused | undefined {
    const { port } = this.#now();
    const node = isTunnelPort(port) ? nodeName(machine.name) : undefined;
    if (node === undefined) return undefined;
    const { atlas, facts } = this.#network;
    const { family, source: range, destination } = this.#parcel;
    const source = range.first === range.last ? rangeName(range) : undefined;
    const packet = { node, family, source, destination, port, fromPod: by === podLink.name };
    const why = tunnelRefusal(facts, hook, packet, () => atlas.isLocal(machine, destination));
    return why === undefined ? undefined : { by: why, as: "dropped" };
  }

  #isRefused(): boolean {
    return this.#refused !== undefined || [this.#egress, this.#ingress].some((one) => one?.allowed === false);
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

  /** Security groups at the interfaces of pods, asked of new connections that are forwarded, once policies let them pass. */
  #groupParts(machine: Machine, by: string | undefined, pod: End | undefined): OwnPart[] {
    const { groups } = this.#network;
    const { from } = this.#start;
    const sender = by === podLink.name ? from : undefined;
    if (!groups || nodeName(machine.name) === undefined || (sender && pod && groups.areNear(sender, pod)))
      return [];
    const run = () => {
      const { destination } = this.#parcel;
      if (sender && this.#egress)
        this.#egress = withGroups(this.#egress, this.#groupWord("egress", sender, [destination]));
      if (pod && this.#ingress && this.#egress?.allowed !== false)
        this.#ingress = withGroups(this.#ingress, this.#groupWord("ingress", pod, this.#sources()));
      return this.#isRefused();
    };
    return [{ priority: FILTER_PRIORITY, run }];
  }

  /** Returns what groups say where the other end has one of these addresses. */
  #groupWord(direction: Exclude<Asked, "rules">, pod: End, peers: readonly string[]): GroupWord | undefined {
    const { port } = this.#start;
    const now = port && { ...port, port: this.#parcel.port ?? port.port };
    const words = new Map<string, GroupWord | undefined>();
    for (const peer of peers) {
      const word = this.#network.groups?.asked(direction, pod, peer, now);
      words.set(`${word?.allowed ?? word}`, word);
    }
    const word = [...words.values()][
      this.#choices.pick(words.size, `which of ${rangeName(this.#parcel.source)} is used`)
    ];
    return settled(word, this.#choices);
  }

  #note(what: Asked, verdict: DirectionVerdict): DirectionVerdict {
    this.#asked.push(what);
    return verdict;
  }

  /** Of a range of sources each is asked, as the kernel may have picked any of them. */
  #judge(): PolicyVerdict {
    const name = rangeName(this.#parcel.source);
    const verdicts = new Map<string, PolicyVerdict>();
    for (const source of this.#sources()) {
      const verdict = this.#judgeOne(source);
      verdicts.set(`${verdict.egress.allowed} ${verdict.ingress.allowed}`, verdict);
    }
    return [...verdicts.values()][this.#choices.pick(verdicts.size, `which of ${name} is used`)]!;
  }

  #sources(): string[] {
    const { family, first, last } = this.#parcel.source;
    if (last - first >= MOST_SOURCES)
      throw this.#choices.untold(`which of ${rangeName(this.#parcel.source)} is used`);
    return Array.from({ length: Number(last - first) + 1 }, (_, at) =>
      formatIp({ family, value: first + BigInt(at) }),
    );
  }

  #judgeOne(seen: string): PolicyVerdict {
    const { from, to, source, destination, port } = this.#start;
    const { facts, policies } = this.#network;
    const now = this.#parcel.destination;
    return policies({
      from: seen === source ? from : endAt(facts, seen),
      to: now === destination ? to : endAt(facts, now),
      source: seen,
      destination: now,
      port: port && { ...port, port: this.#parcel.port ?? port.port },
    });
  }

  #track(machine: Machine): void {
    this.#tracked.push({ machine, before: this.#parcel.ends(), after: this.#parcel.ends() });
  }
}

function linkName(next: Known): GroundLink {
  if (next.type === "next") return next.link;
  if (next.type === "nowhere" && next.out) return next.out;
  return next.type === "pod" ? podLink : { name: "lo", addresses: [] };
}
