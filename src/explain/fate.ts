// What a packet that may leave finds on its way: how far it comes, whether somebody listens there, whether the answer
// comes back. Where the network is known whole (a lab), that is definite; else it is as much as objects tell.
import { isTerminal, type Pod } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { type End, isOnNode, podName } from "./ends.ts";
import type { Atlas, Stop, Trip } from "./ground/atlas.ts";
import type { Machine } from "./ground/ground.ts";
import type { Flow, SourceDecision } from "./judge.ts";
import { type Listening, listeningAt, listeningOn } from "./listening.ts";
import { declaredPorts } from "./manifests/workloads.ts";
import type { Port } from "./ports.ts";
import { type Hop, wayOf } from "./way.ts";

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
  /** Why what the far end says never comes back. */
  readonly noReturn?: string;
  /** What comes of it if nobody on the way refuses it; undefined: cannot be told. */
  readonly outcome: Outcome | undefined;
  /** What somebody at the far end who refuses comes to: the refusal may get lost, too. */
  readonly refusal: Outcome | undefined;
}

export type PlacedFlow = Flow & { readonly source: string; readonly destination: string };

/** Returns what becomes of a flow that policies let pass. */
export function fateOf(
  facts: ClusterFacts,
  atlas: Atlas | undefined,
  flow: PlacedFlow,
  snat: SourceDecision,
): Fate {
  const trip = atlas?.tripOf(flow.from, flow.destination, snat.by);
  return atlas && trip ? knownFate(facts, atlas, flow, snat, trip) : guessedFate(facts, atlas, flow);
}

function guessedFate(facts: ClusterFacts, atlas: Atlas | undefined, flow: PlacedFlow): Fate {
  const { from, to, destination, port } = flow;
  const { hops, broken } = wayOf(facts, from, to, destination);
  if (atlas) {
    // A question about somebody who is not there: policies have an answer to it, packets have none.
    const reason = `nobody here has ${from.addresses[0] ?? from.name}, so nothing can be sent from there`;
    return { hops, listening: undefined, reason, outcome: undefined, refusal: undefined };
  }
  const { listening, reason } = listeningOn(facts, to, port);
  const said = listening === undefined ? undefined : listening ? "answered" : "refused";
  return {
    hops,
    ...(broken === undefined ? {} : { broken }),
    listening,
    reason,
    outcome: broken === undefined ? said : "filtered",
    refusal: "refused",
  };
}

function knownFate(
  facts: ClusterFacts,
  atlas: Atlas,
  flow: PlacedFlow,
  snat: SourceDecision,
  { hops, stop }: Trip,
): Fate {
  const noReturn = whyNoReturn(atlas, flow, snat, stop);
  const back = (outcome: Outcome) => (noReturn === undefined ? outcome : "filtered");
  if (stop.type === "lost") {
    const outcome = stop.told ? back("unreachable") : "filtered";
    const reason = `nobody is there who could listen`;
    return { hops, broken: stop.why, listening: false, reason, outcome, refusal: undefined };
  }
  const ear = listeningAt(facts, stop, flow.destination, flow.port);
  const machine = stop.type === "machine" ? { machine: stop.machine } : {};
  const mapped = atlas.hostPorts ? mappedTo(facts, stop, flow.destination, flow.port) : undefined;
  if (mapped !== undefined) {
    const unknown = { listening: undefined, outcome: undefined, refusal: undefined };
    const reason = `a hostPort of ${mapped} takes it, which no plan tells of`;
    // On the sender's own node it is led to the pod as soon as it comes in.
    const atHome =
      stop.type === "machine" && isPodOf(flow.from) && atlas.machineOf(flow.from) === stop.machine;
    return atHome
      ? { hops, ...machine, ...unknown, diverted: true, reason: `${reason}, before policies look` }
      : { hops, ...machine, ...unknown, reason };
  }
  return {
    hops,
    ...machine,
    ...ear,
    ...(noReturn === undefined ? {} : { noReturn }),
    outcome: back(ear.listening === true ? "answered" : "refused"),
    refusal: back("refused"),
  };
}

function isPodOf(end: End): boolean {
  return end.type === "pod" && !isOnNode(end);
}

/** Returns the pod that a node leads a port to, if it does. */
function mappedTo(
  facts: ClusterFacts,
  { name }: Exclude<Stop, { type: "lost" }>,
  destination: string,
  port: Port | undefined,
): string | undefined {
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

/** The answer goes to the address that was seen; whoever translated it gets it, and sends it on to the sender. */
function whyNoReturn(
  atlas: Atlas,
  { from, source }: PlacedFlow,
  { sourceSeen }: SourceDecision,
  stop: Stop,
): string | undefined {
  const sender = atlas.machineOf(from);
  // Where the kernel picks one of many addresses, nothing is known of the one it will pick.
  if (sourceSeen === undefined || /[-/]/.test(sourceSeen) || !sender) return undefined;
  if (stop.type !== "lost" && stop.name === from.name) return undefined;
  const start = stop.type === "lost" ? stop.at : placeOf(atlas, stop);
  if (!start || (stop.type !== "pod" && start === sender)) return undefined;
  // A host sends what is its own, and passes on nothing for others.
  const first = atlas.trip(start, sourceSeen, stop.type === "pod" ? undefined : start.name).stop;
  const last =
    sourceSeen === source || first.type !== "machine" ? first : atlas.trip(first.machine, source).stop;
  if (last.type === "lost") return `the answer to ${sourceSeen} does not come back: ${last.why}`;
  const home = last.type === "pod" ? last.name === from.name : last.machine === sender;
  return home ? undefined : `the answer to ${sourceSeen} does not come back: it goes to ${last.name}`;
}

function placeOf(atlas: Atlas, stop: Exclude<Stop, { type: "lost" }>) {
  return stop.type === "machine" ? stop.machine : atlas.machineOf(stop.end);
}
