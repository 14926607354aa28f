// The way of answers, and of what the sender says after its first packet. An answer goes to the address that was seen;
// machines that translated the first packet know the connection, and they alone translate the answer back, whatever the
// routes. Nat chains are not asked again, filters are.
import { formatIp, type IpRange, parseIp } from "../../base/ip.ts";
import {
  type Choices,
  chainsOn,
  type Hook,
  type HookPacket,
  noRules,
  walkChain,
} from "../../plan/foreign/index.ts";
import { rangeName } from "../../plan/snat/index.ts";
import { nobodyHas, podLink } from "../ground/atlas.ts";
import type { Machine } from "../ground/ground.ts";
import type { Network } from "../judge.ts";
import { passHook, type Refused } from "./hook.ts";
import { MOST_HOPS, type Passed, type Tracked, type Travelled } from "./journey.ts";
import { one, type Start } from "./parcel.ts";

interface Answer {
  source: string;
  /** As it was before the first packet's destination was translated: told where the answer leaves the machine. */
  sourceLater: string;
  destination: string;
  readonly port: number | undefined;
}

/** Kernels give each connection one of few: each of them is asked. More than that are taken to be alike. */
const MOST_SOURCES = 8n;

/**
 * Returns why what the far end says never comes back; undefined: it does.
 * @param from the machine that answers, and whether a pod of it does
 */
export function whyNoReturn(
  network: Network,
  start: Start,
  travelled: Travelled,
  from: { readonly machine: Machine; readonly pod: boolean; readonly error: boolean },
  choices: Choices,
): string | undefined {
  const { first, last, family } = travelled.source;
  const count = last - first + 1n;
  const at =
    count > 1n && count <= MOST_SOURCES
      ? choices.pick(Number(count), `which of ${rangeName(travelled.source)} is used`)
      : 0;
  if (count > MOST_SOURCES) return undefined;
  const seen = formatIp({ family, value: first + BigInt(at) });
  return new Way(network, start, travelled, choices).follow(from, seen);
}

class Way {
  readonly #network: Network;
  readonly #start: Start;
  readonly #travelled: Travelled;
  readonly #choices: Choices;
  /** Connections that have not translated an answer yet, the last one first. */
  readonly #open: Tracked[];

  constructor(network: Network, start: Start, travelled: Travelled, choices: Choices) {
    this.#network = network;
    this.#start = start;
    this.#travelled = travelled;
    this.#choices = choices;
    this.#open = travelled.tracked.toReversed();
  }

  follow(
    {
      machine: first,
      pod,
      error,
    }: { readonly machine: Machine; readonly pod: boolean; readonly error: boolean },
    seen: string,
  ): string | undefined {
    const { destination, port } = this.#travelled;
    const answer: Answer = {
      source: destination,
      sourceLater: destination,
      destination: seen,
      port: port?.port,
    };
    const state = error ? "related" : "established";
    let machine = first;
    let by: string | undefined = pod ? podLink.name : "";
    for (let hops = 0; hops <= MOST_HOPS; hops++) {
      const tracked = this.#translate(machine, answer);
      const known = tracked !== undefined;
      const pass = (hook: Hook, out: string | undefined) =>
        this.#pass(machine, hook, answer, { by, out, state: known ? state : "invalid", tracked });
      const own = by === "";
      if (!own && this.#isMartian(machine, answer))
        return lost(seen, `${machine.name} takes it for its own, from outside`);
      this.#checkUnknown(machine, known);
      const next = this.#network.atlas.onward(machine, answer.destination, own, { source: answer.source });
      if (next.type === "unknown") throw this.#choices.untold(next.why);
      if (next.type === "nowhere") return lost(seen, next.why);
      const out = next.type === "next" ? next.link.name : next.type === "pod" ? podLink.name : "lo";
      const refused =
        (own
          ? (pass("output", out) ?? pass("postrouting", out))
          : (pass("prerouting", "") ?? (next.type === "local" ? undefined : pass("forward", out)))) ??
        (next.type === "local" ? pass("input", "") : own ? undefined : pass("postrouting", out));
      if (refused) return lost(seen, `${machine.name} refuses it: ${refused.by}`);
      answer.source = answer.sourceLater;
      if (next.type === "local") return this.#end(machine.name, this.#isSender(machine), answer, seen);
      if (next.type === "pod")
        return this.#end(next.end.name, next.end.name === this.#start.from.name, answer, seen);
      const isLost = next.machines.length === 0;
      if (isLost || (next.perhaps !== undefined && this.#choices.pick(2, next.perhaps) === 1))
        return lost(seen, nobodyHas(machine, next, answer.destination));
      const names = next.machines.map(({ name }) => name).join(" and ");
      const doubt = `${names} both answer for ${next.via ?? answer.destination} on network ${next.link.network}`;
      const target = next.machines[this.#choices.pick(next.machines.length, doubt)]!;
      machine = target;
      by = target.links.find(({ network }) => network === next.link.network)?.name;
    }
    return lost(seen, "it goes round in circles");
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
    if (tracked.before.source !== tracked.after.source) answer.destination = rangeName(tracked.before.source);
    answer.sourceLater = tracked.before.destination;
    return tracked;
  }

  #pass(
    machine: Machine,
    hook: Hook,
    answer: Answer,
    way: {
      by: string | undefined;
      out: string | undefined;
      state: HookPacket["state"];
      tracked: Tracked | undefined;
    },
  ): Refused | undefined {
    const { before } = this.#travelled.passed[0] ?? {};
    const rules = this.#network.rulesOf(machine.name);
    if (!rules || !before) return undefined;
    const { tracked } = way;
    return passHook({
      hook,
      rules,
      choices: this.#choices,
      packet: {
        ...before,
        source: one(answer.source),
        destination: one(answer.destination),
        sourcePort: answer.port,
        port: undefined,
        mark: 0,
        in: way.by,
        out: way.out,
        state: way.state,
        translated: {
          dnat: tracked !== undefined && tracked.before.destination !== tracked.after.destination,
          snat: tracked !== undefined && tracked.before.source !== tracked.after.source,
        },
        isLocal: (address) => this.#network.atlas.isLocal(machine, address),
        isFirst: false,
      },
    });
  }

  /** A machine that sees answers only may take them for the beginning of something, and translate them. */
  #checkUnknown(machine: Machine, known: boolean): void {
    const rules = this.#network.rulesOf(machine.name) ?? noRules;
    const asked = [...rules.chains.values()].some(
      ({ base, rules: list }) => base?.type === "nat" && list.length > 0,
    );
    if (!known && asked && this.#start.port?.protocol === "UDP")
      throw this.#choices.untold(`${machine.name} sees only the answers, and others translate there`);
  }

  #isMartian(machine: Machine, { source }: Answer): boolean {
    return !source.includes(":") && this.#network.atlas.isLocal(machine, source);
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

function lost(seen: string, why: string): string {
  return `the answer to ${seen} does not come back: ${why}`;
}

function isIn(address: string, { family, first, last }: IpRange): boolean {
  const ip = parseIp(address);
  return ip.family === family && first <= ip.value && ip.value <= last;
}

/** Returns who stops what the sender says once it was answered; undefined: nobody. */
export function whyCutOff(network: Network, { passed }: Travelled, choices: Choices): string | undefined {
  for (const { machine, hook, before, after } of passed) {
    const rules = network.rulesOf(machine.name);
    if (!rules) continue;
    for (const chain of chainsOn(rules, hook, before.family).filters) {
      const packet = {
        ...view(chain.base?.priority ?? 0, hook, { before, after }),
        state: "established" as const,
        isFirst: false,
      };
      const result = walkChain(rules, chain, packet, choices);
      if (result.type === "stop")
        return `${machine.name} stops the connection once it is answered: ${result.by}`;
    }
  }
  return undefined;
}

/** A chain before the translation sees the packet as it came, one after it as it leaves. */
function view(priority: number, hook: Hook, { before, after }: Pick<Passed, "before" | "after">): HookPacket {
  const at = hook === "prerouting" || hook === "output" ? -100 : 100;
  return { ...(priority < at ? before : after), mark: before.mark };
}
