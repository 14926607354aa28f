// What the first packet meets on the hooks of the machines on its way, and what is kept of that: who refuses it, what each
// machine knows of its connection, and as what it came to each hook and left it.
import type { Choices, Hook, HookPacket } from "../../plan/foreign/index.ts";
import { NAT_PRIORITY } from "../../plan/snat/nft.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import { type GroundLink, type Machine, nodeName, podLink } from "../ground/ground.ts";
import type { Network } from "../judges/judge.ts";
import { type HookPass, type OwnPart, passHook, type Refused } from "./hook.ts";
import { one, type Parcel, type Start } from "./parcel.ts";
import type { Asked, Passed, Tracked, Travelled } from "./travelled.ts";
import { isTunnelPort, tunnelRefusal } from "./tunnel-end.ts";
import type { Judging, Verdicts } from "./verdicts.ts";

const FILTER_PRIORITY = -20;

export class Traversal {
  readonly passed: Passed[] = [];
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  readonly #parcel: Parcel;
  readonly #verdicts: Verdicts;
  readonly #asked: Asked[];
  readonly #tracked: Tracked[] = [];
  #refused: Travelled["refused"];

  /** @param asked gets others' rules where they refuse it, among the sides that `verdicts` notes there */
  constructor(
    network: Network,
    start: Start,
    choices: Choices,
    parcel: Parcel,
    verdicts: Verdicts,
    asked: Asked[],
  ) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    this.#parcel = parcel;
    this.#verdicts = verdicts;
    this.#asked = asked;
  }

  get refused(): Travelled["refused"] {
    return this.#refused;
  }

  /** Rules of others, or policies and groups, have refused it: what comes after only tells what else they would say. */
  get isRefused(): boolean {
    return this.#refused !== undefined || this.#verdicts.isDenied;
  }

  /** What the packet is by now, and who has seen it. */
  now(): Pick<Travelled, "source" | "destination" | "port" | "tracked"> {
    const { source, destination, port } = this.#parcel;
    const asked = this.#start.port;
    return {
      source,
      destination,
      port: asked && { ...asked, port: port ?? asked.port },
      tracked: this.#tracked.map((one) => ({ ...one })),
    };
  }

  /** A machine sees the connection for the first time. */
  track(machine: Machine): void {
    this.#tracked.push({ machine, before: this.#parcel.ends(), after: this.#parcel.ends() });
  }

  isTracked(machine: Machine): boolean {
    return this.#tracked.some((known) => known.machine === machine);
  }

  /**
   * Lets the packet pass a hook of a machine.
   * @param by the link that it came by; empty: it is the machine's own
   * @param judged what our own rules on the hook ask
   * @param via its next hop
   */
  pass(
    machine: Machine,
    hook: Hook,
    by: string | undefined,
    out: GroundLink | undefined,
    judged: readonly Judging[] = [],
    via?: string,
  ): void {
    const packet = this.#parcel.view(machine, by, out ? out.name : "");
    const before = { ...packet };
    const wasRefused = this.isRefused;
    // Tunnels' packets are looked at before others' rules; what was translated on the way in, after them.
    const early = hook === "input" ? undefined : this.#tunnelRefusal(machine, hook, by);
    const passed = passHook({
      hook,
      // What comes after a refusal only tells what policies would say.
      rules: wasRefused || early ? undefined : this.#network.rulesOf(machine.name),
      packet,
      choices: this.#choices,
      // What a machine says to itself has passed output and postrouting, with their translations.
      isSettled: by === "lo",
      own: this.#ownParts(machine, hook, packet, judged),
      ...this.#translations(machine, hook, packet, { by, out, via }),
    });
    const refused =
      early ?? passed ?? (hook === "input" ? this.#tunnelRefusal(machine, hook, by) : undefined);
    if (!wasRefused) this.#doubtRules(machine, hook, before, packet);
    this.#parcel.mark = packet.mark;
    this.#keep(machine, hook, before, packet);
    if (refused) this.#refuse(machine, hook, refused);
  }

  #ownParts(machine: Machine, hook: Hook, packet: HookPacket, judged: readonly Judging[]): OwnPart[] {
    const node = nodeName(machine.name);
    const steering = node !== undefined && hook === "prerouting" ? [this.#parcel.steering(node, packet)] : [];
    const judges = judged.map((judge) => ({
      priority: FILTER_PRIORITY,
      run: () => {
        judge();
        return this.isRefused;
      },
    }));
    return [...judges, ...steering];
  }

  /** Ours of sources, which is decided where the packet leaves a node, and those by others' rules. */
  #translations(
    machine: Machine,
    hook: Hook,
    packet: HookPacket,
    way: {
      readonly by: string | undefined;
      readonly out: GroundLink | undefined;
      readonly via: string | undefined;
    },
  ): Pick<HookPass, "ownNat" | "translate"> {
    const node = nodeName(machine.name);
    const { out } = way;
    // What comes later on the hook sees what was made of it.
    const seen = (isDone: boolean) => {
      if (!isDone) return false;
      packet.source = this.#parcel.source;
      packet.destination = one(this.#parcel.destination);
      packet.port = this.#parcel.port;
      packet.translated = { ...this.#parcel.translated };
      return true;
    };
    const translate: HookPass["translate"] = (rule, to) =>
      seen(this.#parcel.translate(machine, rule, to, way));
    if (node === undefined || hook !== "postrouting" || !out) return { translate };
    const run = () => seen(this.#parcel.translateOwn(machine, node, { ...way, out }));
    return { ownNat: { priority: NAT_PRIORITY, run }, translate };
  }

  /** A node whose rules are not brought up to date may do something else than is planned. */
  #doubtRules(machine: Machine, hook: Hook, before: HookPacket, after: HookPacket): void {
    const node = nodeName(machine.name);
    if (node === undefined) return;
    // Where it goes is decided of what it is by then.
    const asked = hook === "prerouting" || hook === "output" ? after : before;
    const behind = this.#network.behind(node, hook, { ...asked, mark: 0 });
    if (behind !== undefined && this.#choices.pick(2, behind) === 1) throw this.#choices.untold(behind);
  }

  #keep(machine: Machine, hook: Hook, before: HookPacket, after: HookPacket): void {
    const node = hook === "prerouting" ? nodeName(machine.name) : undefined;
    const steer = node === undefined ? undefined : this.#parcel.steerMark(node);
    this.passed.push({ machine, hook, before, after: { ...after }, steer });
    const tracked = this.#tracked.at(-1);
    if (tracked?.machine === machine) tracked.after = this.#parcel.ends();
  }

  #refuse(machine: Machine, hook: Hook, refused: Refused): void {
    if (this.#refused) return;
    const afterDrop = this.#parcel.snat?.action === "Drop";
    this.#refused = { ...refused, at: machine, hook, afterDrop, there: this.now() };
    this.#asked.push("rules");
  }

  #tunnelRefusal(machine: Machine, hook: Hook, by: string | undefined): Refused | undefined {
    const { port } = this.now();
    const node = isTunnelPort(port) ? nodeName(machine.name) : undefined;
    if (node === undefined) return undefined;
    const { atlas, facts } = this.#network;
    const { family, source: range, destination } = this.#parcel;
    const source = range.first === range.last ? rangeName(range) : undefined;
    const packet = { node, family, source, destination, port, fromPod: by === podLink.name };
    const why = tunnelRefusal(facts, hook, packet, () => atlas.isLocal(machine, destination));
    return why === undefined ? undefined : { by: why, as: "dropped" };
  }
}
