// What a packet that may leave finds on its way: how far it comes, whether somebody listens there, whether the answer
// comes back. Where the network is known whole (a lab), that is definite; else it is as much as objects tell.
import { isTerminal, type Pod } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import type { Choices, Hook, IcmpError } from "../plan/foreign/index.ts";
import { isOnNode, podName } from "./ends.ts";
import type { Atlas } from "./ground/atlas.ts";
import { type Machine, nodeName } from "./ground/ground.ts";
import type { Stop } from "./ground/onward.ts";
import { type Answering, whyNoReturn } from "./journey/back.ts";
import { whyCutOff } from "./journey/cut-off.ts";
import type { Start } from "./journey/parcel.ts";
import type { Travelled } from "./journey/travelled.ts";
import { guessedTunnelEnd, type TunnelTaker, takenByTunnel } from "./journey/tunnel-end.ts";
import type { Flow, Network } from "./judges/judge.ts";
import { type Listening, listeningAt, listeningOn } from "./listening.ts";
import { declaredPorts } from "./manifests/workloads.ts";
import type { Port } from "./ports.ts";
import { type Hop, wayOf } from "./way/way.ts";

/** What a probe will find, in its own words; denied packets are `filtered`. */
export type Outcome = "answered" | "refused" | "filtered" | "unreachable";

export interface Fate extends Listening {
  /** Another program sends it elsewhere before the sender's policies look: what they say of its destination is void. */
  readonly diverted?: true;
  readonly hops: readonly Hop[];
  /** The machine that the packet ends on, if it is known. */
  readonly machine?: Machine;
  /** Why the packet gets no further than the last hop. */
  readonly broken?: string;
  /** What is not known of the way. */
  readonly doubt?: string;
  /** Why what the far end says never comes back. */
  readonly noReturn?: string;
  /** What comes of it if nobody on the way refuses it; undefined: cannot be told. */
  readonly outcome: Outcome | undefined;
  /** What somebody at the far end who refuses comes to: the refusal may get lost, too. */
  readonly refusal: Outcome | undefined;
  /** `broken` comes before the policies of one side or both are asked. */
  readonly brokenBefore?: "egress" | "ingress";
  /** `broken` comes before the source is translated, or the packet dropped for want of an address to translate it to. */
  readonly brokenUntranslated?: true;
}

export type PlacedFlow = Flow & { readonly source: string; readonly destination: string };

/** Returns as much as objects tell. `atlas`: the network is known, but not the sender. */
export function guessedFate(facts: ClusterFacts, atlas: Atlas | undefined, flow: PlacedFlow): Fate {
  const { from, to, destination, port } = flow;
  const { hops, broken, doubt } = wayOf(facts, from, to, destination);
  if (atlas) {
    // A question about somebody who is not there: policies have an answer to it, packets have none.
    const reason = `nobody here has ${from.addresses[0] ?? from.name}, so nothing can be sent from there`;
    return { hops, listening: undefined, reason, outcome: undefined, refusal: undefined };
  }
  const end = guessedTunnelEnd(facts, flow);
  if (end && "taken" in end && broken === undefined)
    return { hops, ...(doubt !== undefined && { doubt }), ...unheard(end.taken) };
  if (end && "refusal" in end && broken === undefined) {
    const said = { listening: false, reason: "it does not get there", outcome: "filtered" as const };
    return { hops, broken: end.refusal, ...said, refusal: undefined };
  }
  const { listening, reason } = listeningOn(facts, to, port);
  const said = listening === undefined ? undefined : listening ? "answered" : "refused";
  return {
    hops,
    ...(broken === undefined ? {} : { broken }),
    ...(doubt === undefined ? {} : { doubt }),
    listening,
    reason,
    outcome: broken === undefined ? said : "filtered",
    refusal: "refused",
  };
}

/** What a tunnel takes is answered by what is in it alone, and a probe's packets are no tunnel's. */
function unheard({ reason, stands }: TunnelTaker) {
  if (!stands) return { listening: undefined, reason, outcome: undefined, refusal: undefined };
  return { broken: reason, listening: undefined, reason, outcome: "filtered" as const, refusal: undefined };
}

/** A packet's journey, and what to ask about the answers to it. */
interface Journeyed {
  readonly network: Network;
  readonly start: Start;
  readonly travelled: Travelled;
  readonly choices: Choices;
}

/** Returns what becomes of a packet that has made its journey. */
export function fateOf(network: Network, start: Start, travelled: Travelled, choices: Choices): Fate {
  const journeyed = { network, start, travelled, choices };
  const { stop } = travelled;
  if (travelled.refused) return fateOfRefused(journeyed, travelled.refused);
  if (stop.type === "lost") return fateOfLost(journeyed, stop);
  return fateOfMapped(journeyed, stop) ?? fateOfArrived(journeyed, stop);
}

function fateOfRefused(journeyed: Journeyed, refused: NonNullable<Travelled["refused"]>): Fate {
  const { start, travelled } = journeyed;
  const broken = `${refused.at.name} ${verbs[refused.as]} it: ${refused.by}`;
  const outcome =
    refused.as === "dropped" || isSendRefused(start, refused.hook) || isErrorUnsaid(travelled)
      ? "filtered"
      : // A reset is an answer like others, and in the name of who was asked.
        back(journeyed, rejectedAs[refused.as], {
          ...errorFrom(refused.at, refused.as === "reset" ? undefined : "unreachable"),
          rejecting: true,
        }).outcome;
  return {
    hops: travelled.hops,
    broken,
    ...before(travelled),
    ...(!refused.afterDrop && { brokenUntranslated: true as const }),
    listening: false,
    reason: "it does not get there",
    outcome,
    refusal: undefined,
  };
}

function fateOfLost(journeyed: Journeyed, stop: Extract<Stop, { type: "lost" }>): Fate {
  const { travelled } = journeyed;
  const place = errorFrom(stop.at, stop.expired ? "expired" : "unreachable");
  return {
    hops: travelled.hops,
    broken: stop.why,
    ...before(travelled),
    listening: false,
    reason: "nobody is there who could listen",
    outcome: stop.told ? back(journeyed, "unreachable", place).outcome : "filtered",
    refusal: undefined,
  };
}

/** Of a packet that a hostPort may lead on to a pod, by rules that nobody has looked at. */
function fateOfMapped({ network, start, travelled }: Journeyed, stop: Arrived): Fate | undefined {
  const { hops, port, destination } = travelled;
  const mapped = mappedTo(network, stop, destination, port);
  if (mapped === undefined) return undefined;
  const unknown = { listening: undefined, outcome: undefined, refusal: undefined };
  const reason = `a hostPort of ${mapped} takes it, which no plan tells of`;
  // On the sender's own node it is led to the pod as soon as it comes in.
  const atHome =
    stop.type === "machine" && isPodOf(start) && network.atlas.machineOf(start.from) === stop.machine;
  return atHome
    ? { hops, ...machineOf(stop), ...unknown, diverted: true, reason: `${reason}, before policies look` }
    : { hops, ...machineOf(stop), ...unknown, reason };
}

function fateOfArrived(journeyed: Journeyed, stop: Arrived): Fate {
  const { network, travelled, choices } = journeyed;
  const { facts, atlas } = network;
  const { hops, port, destination } = travelled;
  const node = stop.type === "machine" ? nodeName(stop.machine.name) : undefined;
  const taken = node === undefined ? undefined : takenByTunnel(facts, node, travelled.source.family, port);
  if (taken) return { hops, ...machineOf(stop), ...unheard(taken) };
  const ear = listeningAt(facts, stop, destination, port);
  const place = placeOf(atlas, stop);
  // All refusals but TCP's are error messages.
  const refusing = place && {
    ...place,
    error: port?.protocol === "TCP" ? undefined : ("unreachable" as const),
  };
  const met = new Set<Machine>();
  const { outcome, why } = ear.listening
    ? back(journeyed, "answered", place, met)
    : back(journeyed, "refused", refusing);
  const cut =
    ear.listening && why === undefined && port?.protocol === "TCP"
      ? whyCutOff(network, travelled, choices, met)
      : undefined;
  const noReturn = why ?? cut;
  return {
    hops,
    ...machineOf(stop),
    ...ear,
    ...(noReturn === undefined ? {} : { noReturn }),
    outcome: cut === undefined ? outcome : "filtered",
    refusal: back(journeyed, "refused", refusing).outcome,
  };
}

/**
 * Returns what the sender hears of what is said to it, and why it does not hear that.
 * @param met gets the machines that see both the first packet and the answer
 */
function back(
  { network, start, travelled, choices }: Journeyed,
  outcome: Outcome,
  at: Place,
  met?: Set<Machine>,
): { readonly outcome: Outcome; readonly why: string | undefined } {
  const isAnswer = outcome === "answered";
  const answering = at && { ...at, error: isAnswer ? undefined : at.error, more: isAnswer };
  const why = answering && answerLost({ network, start, travelled, choices }, answering, met);
  return { outcome: why === undefined ? outcome : ("filtered" as const), why };
}

function machineOf(stop: Arrived): Pick<Fate, "machine"> {
  return stop.type === "machine" ? { machine: stop.machine } : {};
}

/** What a machine's own kernel keeps from being sent fails at once; only TCP goes on waiting, and hears what is said of it. */
function isSendRefused(start: Start, hook: Hook): boolean {
  return !isPodOf(start) && (hook === "output" || hook === "postrouting") && start.port?.protocol !== "TCP";
}

/**
 * Of a packet of its own that leaves by the loopback link a kernel would tell in the name of where it goes (icmp.c: its way
 * is local). That address is not its own, so it sends no such error of IPv4. Resets ask for no such thing, and IPv6 takes
 * an address that is.
 */
function isErrorUnsaid({ refused, stop, destination }: Travelled): boolean {
  const isOwn = stop.type === "lost" && stop.byLoopback === true && stop.at === refused?.at;
  return isOwn && refused.as !== "reset" && !destination.includes(":");
}

const verbs = { dropped: "drops", reset: "rejects", refused: "rejects", unreachable: "rejects" } as const;
const rejectedAs = { reset: "refused", refused: "refused", unreachable: "unreachable" } as const;

type Arrived = Exclude<Stop, { type: "lost" }>;

/** Where the answer begins; undefined: the packet never left its sender. */
type Place = Omit<Answering, "more"> | undefined;

function placeOf(atlas: Atlas, stop: Arrived): Place {
  if (stop.type === "machine") return { machine: stop.machine, pod: false, error: undefined };
  const machine = atlas.machineOf(stop.end);
  return machine && { machine, pod: true, error: undefined };
}

function errorFrom(machine: Machine, error: IcmpError | undefined): NonNullable<Place> {
  return { machine, pod: false, error };
}

function answerLost(
  { network, start, travelled, choices }: Journeyed,
  place: Answering,
  met: Set<Machine> | undefined,
): string | undefined {
  const { from } = start;
  const { stop, refused, passed } = travelled;
  // A pod to itself, not by way of its node, or told by its own kernel; a machine that its own kernel tells.
  if (passed.length === 0) return undefined;
  const isTold = !refused && stop.type === "lost" && network.atlas.machineOf(from) === stop.at;
  if (isTold && !isPodOf(start)) return undefined;
  // Who rejects it answers to what it was there, whatever would have become of it.
  return whyNoReturn(network, start, { ...travelled, ...refused?.there }, place, choices, met);
}

/** Which policies were not asked yet when the packet was lost: a machine routes before it filters. */
function before({ asked }: Travelled): Pick<Fate, "brokenBefore"> {
  const upTo = asked.includes("rules") ? asked.slice(0, asked.indexOf("rules")) : asked;
  if (upTo.includes("ingress")) return {};
  return { brokenBefore: upTo.includes("egress") ? "ingress" : "egress" };
}

function isPodOf({ from }: Start): boolean {
  return from.type === "pod" && !isOnNode(from);
}

/** Returns the pod that a node leads a port to, if it does, and nobody has looked at the rules by which it does. */
function mappedTo(
  { facts, atlas, rulesOf }: Network,
  { name }: Arrived,
  destination: string,
  port: Port | undefined,
): string | undefined {
  if (!atlas.hostPorts || rulesOf(name)) return undefined;
  const isMapped = (pod: Pod) =>
    `node/${pod.spec.nodeName}` === name &&
    // What is on the node's own network listens there itself.
    pod.spec.hostNetwork !== true &&
    !isTerminal(pod) &&
    declaredPorts(pod.spec).some(
      ({ hostPort, hostIP, protocol }) =>
        hostPort === port?.port &&
        protocol === port?.protocol &&
        // Bound to one address of the node, it is none of the others'.
        (hostIP === undefined || hostIP === destination || hostIP === "0.0.0.0" || hostIP === "::"),
    );
  const pod = port && [...facts.pods.values()].find(isMapped);
  return pod && podName(pod);
}
