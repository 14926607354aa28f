// One answer about one flow: how the ends came by their addresses, the way, the source address that the far side sees,
// what policies say in both directions, and whether it is allowed. Reads plans; touches nothing.
import { isTerminal } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";
import { tryParseIp } from "../base/ip.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { Choices, explore, type World } from "../plan/foreign/index.ts";
import { type End, isOnNode, nodeOf } from "./ends.ts";
import { type Fate, fateOf, guessedFate, type Outcome, type PlacedFlow } from "./fate.ts";
import { type FlowTableUse, flowTableUse } from "./flows.ts";
import type { Atlas } from "./ground/atlas.ts";
import { isLoopback } from "./ground/own-addresses.ts";
import { travel } from "./journey/journey.ts";
import type { Travelled } from "./journey/travelled.ts";
import { settled, withGroups } from "./judges/group-judge.ts";
import type { DirectionVerdict, Flow, Judges, PolicyVerdict, SourceDecision } from "./judges/judge.ts";
import { portsOf } from "./listening.ts";
import { formatPort, type Port } from "./ports.ts";
import { type AddressDecision, decisionAbout, type Provenance, provenanceOf } from "./provenance.ts";
import { type Admission, admissionOf, agreed, doubtsOf, isOpen, type Told, toldOf } from "./told.ts";
import { otherSources } from "./way/own-sources.ts";
import { type Hop, tunnelSource } from "./way/way.ts";

/** A verdict that may hang on what is not known. */
export type ToldVerdict = Omit<DirectionVerdict, "allowed"> & { readonly allowed: boolean | null };

export interface Explanation {
  readonly from: Provenance;
  readonly to: Provenance;
  /** What decided where the sender's address is from, if it is a pod's. */
  readonly address: AddressDecision | null;
  /** `80/tcp`; null: an ICMP echo. */
  readonly port: string | null;
  /** Policies of both ends and the far host's own list let it pass; null: that hangs on `unknown`. */
  readonly allowed: boolean | null;
  /** What a probe will find: allowed, and something listens there, and the way leads there and back; null where nothing tells. */
  readonly reachable: boolean | null;
  /** The `outcome` of that probe, which says how it fails; null where nothing tells. */
  readonly expected: Outcome | null;
  readonly listening: boolean | null;
  /** Who listens, or why nobody does. */
  readonly listener: string;
  /** null: no packet leaves, or that hangs on `unknown`. */
  readonly sourceSeen: string | null;
  readonly egress: ToldVerdict;
  readonly ingress: ToldVerdict;
  /** The far host's own list of ranges, if it has one. */
  readonly admission?: Omit<Admission, "allowed"> & { readonly allowed: boolean | null };
  readonly route: readonly Hop[];
  readonly snat: SourceDecision;
  /** What nodes at its ends do with the connection once it is established, where they have flow tables. */
  readonly flowTables?: readonly FlowTableUse[];
  /** The same in sentences, what decides first. */
  readonly reasons: readonly string[];
  /** What is not known and makes a difference to this answer; with it there is no yes and no no. */
  readonly unknown?: readonly string[];
}

/**
 * Returns the source of a flow as far as objects tell, without asking who lets it pass; `others`: addresses that may be it
 * instead. @throws as `explain`
 */
export function sourceAsked(
  facts: ClusterFacts,
  judges: Pick<Judges, "source" | "atlas">,
  from: End,
  to: End,
  port?: Port | "icmp",
): { readonly from: Provenance; readonly snat: SourceDecision; readonly others: readonly string[] } {
  const asked = port === "icmp" ? undefined : (port ?? portsOf(to)[0]);
  const flow = { ...endsOf(facts, judges.atlas, from, to), port: asked };
  return { from: provenanceOf(facts, from, flow.source), ...sourcesSeen(facts, judges, flow) };
}

/** yes; no; or it cannot be told. */
export type Answer = "yes" | "no" | "unknown";

/**
 * Explains a flow.
 * @param port without one, the first port that `to` declares, and if it declares none, an ICMP echo; `icmp`: an ICMP echo
 * @throws TrunklineError `explain.no-address`, `explain.family`
 */
export function explain(
  facts: ClusterFacts,
  judges: Judges,
  from: End,
  to: End,
  port?: Port | "icmp",
): Explanation {
  const asked = port === "icmp" ? undefined : (port ?? portsOf(to)[0]);
  const flow = { ...endsOf(facts, judges.atlas, from, to), port: asked };
  return explanationOf(facts, judges, flow, worldsOf(facts, judges, flow));
}

/**
 * Returns what can be said of a flow in all these worlds together.
 * @param isSourceFree whether the answer may be yes though worlds differ about the source that is seen
 */
export function explanationOf(
  facts: ClusterFacts,
  judges: Judges,
  flow: PlacedFlow,
  worlds: readonly World<Told>[],
  isSourceFree = false,
): Explanation {
  const { from, port } = flow;
  // What is said at length is so in the first world of which anything can be told.
  const told = worlds.find((world) => world.told)?.told ?? guessed(facts, judges, flow, new Choices([]));
  const { egress, ingress, admission, snat, fate } = told;
  const allowed = sureOr(agreed(worlds, (one) => one.allowed));
  const reachable = agreed(worlds, (one) => one.reachable);
  const source = agreed(worlds, (one) => one.snat.sourceSeen ?? null);
  const answer = answerOf(worlds, isSourceFree);
  const unknown = answer === "unknown" ? doubtsOf(worlds) : [];
  const provenance = provenanceOf(facts, from, flow.source);
  const flowTables = allowed === false ? [] : flowTableUse(facts, flow, snat);
  return {
    from: provenance,
    to: provenanceOf(facts, flow.to, flow.destination),
    address: decisionAbout(facts, from, provenance) ?? null,
    port: port ? formatPort(port) : null,
    allowed,
    // Refused here in one world and there in another is refused.
    reachable: reachable.sure ? reachable.value : answer === "no" ? false : null,
    expected: sureOr(agreed(worlds, (one) => one.expected)),
    listening: sureOr(agreed(worlds, (one) => one.fate.listening ?? null)),
    listener: fate.reason,
    sourceSeen: sureOr(source),
    egress: { ...egress, allowed: sureOr(agreed(worlds, (one) => one.egress.allowed)) },
    ingress: { ...ingress, allowed: sureOr(agreed(worlds, (one) => one.ingress.allowed)) },
    ...(admission && {
      admission: { ...admission, allowed: sureOr(agreed(worlds, (one) => one.admission?.allowed ?? null)) },
    }),
    route: fate.hops,
    snat,
    ...(flowTables.length > 0 && { flowTables }),
    reasons: [...unknown.map((what) => `cannot tell: ${what}`), ...reasonsOf(told)],
    ...(unknown.length > 0 && { unknown }),
  };
}

function sureOr<T>(found: { sure: true; value: T } | { sure: false }): T | null {
  return found.sure ? found.value : null;
}

/** Whether a host's own list is asked: not where somebody on the way leads the packet to another address, or to a pod. */
function isAdmitting({ stop, destination }: Travelled, { machine }: Fate, asked: PlacedFlow): boolean {
  return stop.type !== "pod" && (machine !== undefined || destination === asked.destination);
}

/** Returns the answer about a flow in every world that there may be; where nothing is unknown, that is one. */
export function worldsOf(facts: ClusterFacts, judges: Judges, flow: PlacedFlow): readonly World<Told>[] {
  const { network } = judges;
  if (!network?.atlas.machineOf(flow.from))
    return explore((choices) => ifHeld(judges, flow.from, guessed(facts, judges, flow, choices), choices));
  return explore((choices) => {
    const travelled = travel(network, flow, choices);
    const fate = fateOf(network, flow, travelled, choices);
    const { egress, ingress, snat } = travelled;
    const admission =
      flow.port && isAdmitting(travelled, fate, flow)
        ? admissionOf(fate, flow.from, flow.to, snat.sourceSeen, choices)
        : undefined;
    const asks = { address: travelled.destination, port: travelled.port?.port };
    return { ...toldOf({ egress, ingress, snat, fate, admission }), asks };
  });
}

/** An egress address whose holder no longer renews its lease may be another's by now. */
export function ifHeld(judges: Judges, from: End, told: Told, choices: Choices): Told {
  const { by, sourceSeen } = told.snat;
  if (sourceSeen === undefined || !judges.stale.has(sourceSeen)) return told;
  const holder = by ?? nodeOf(from) ?? "";
  const doubt = `whether node ${holder} still holds ${sourceSeen}: it does not renew its lease`;
  if (choices.pick(2, doubt) === 1) throw choices.untold(doubt);
  return told;
}

/** Returns the source that objects tell, and those that may be it instead: where the network is known there are none. */
function sourcesSeen(
  facts: ClusterFacts,
  judges: Pick<Judges, "source" | "atlas">,
  flow: PlacedFlow,
): { readonly snat: SourceDecision; readonly others: readonly string[] } {
  const snat = judges.source(flow);
  return { snat, others: judges.atlas ? [] : otherSources(facts, flow, snat) };
}

/** Returns as much as objects tell. */
function guessed(facts: ClusterFacts, judges: Judges, given: PlacedFlow, choices: Choices): Told {
  const { flow, snat } = chosenOf(facts, judges, given, choices);
  const { egress, ingress } = groupedVerdicts(judges, flow, snat.sourceSeen, choices);
  const fate = guessedFate(facts, judges.atlas, flow);
  if (fate.doubt !== undefined && choices.pick(2, fate.doubt) === 1) throw choices.untold(fate.doubt);
  const admission = flow.port && admissionOf(fate, flow.from, flow.to, snat.sourceSeen, choices);
  return toldOf({ egress, ingress, snat, fate, admission });
}

/** Returns a flow from one of the addresses that it may be from. */
function chosenOf(
  facts: ClusterFacts,
  judges: Judges,
  flow: PlacedFlow,
  choices: Choices,
): { readonly flow: PlacedFlow; readonly snat: SourceDecision } {
  const { snat, others } = sourcesSeen(facts, judges, flow);
  const all = [snat.sourceSeen, ...others];
  const doubt = `by which of its addresses node ${nodeOf(flow.from)} sends to ${flow.destination}: ${all.join(", ")}`;
  const sourceSeen = all[choices.pick(all.length, doubt)];
  if (sourceSeen === undefined || sourceSeen === snat.sourceSeen) return { flow, snat };
  const isOwn = snat.action === "None";
  return { flow: isOwn ? { ...flow, source: sourceSeen } : flow, snat: { ...snat, sourceSeen } };
}

/** Returns what policies say, and security groups after them where the two do not meet on one node. */
function groupedVerdicts(
  { policies, groups }: Judges,
  flow: PlacedFlow,
  sourceSeen: string | undefined,
  choices: Choices,
): PolicyVerdict {
  const { egress, ingress } = policies(flow);
  const { from, to, source, destination, port } = flow;
  const isOwnNode = nodeOf(from) === nodeOf(to) && (isOnNode(from) || isOnNode(to));
  if (!groups || isOwnNode || groups.areNear(from, to) || from.name === to.name) return { egress, ingress };
  const out = withGroups(egress, settled(groups.asked("egress", from, destination, port), choices));
  // Of a range of sources nobody knows which one is seen.
  const seen = tryParseIp(sourceSeen ?? source) ? (sourceSeen ?? source) : source;
  return {
    egress: out,
    ingress: withGroups(ingress, settled(groups.asked("ingress", to, seen, port), choices)),
  };
}

/** Returns what all worlds say; where they differ about the answer, or about the source that is seen, there is none. */
function answerOf(worlds: readonly World<Told>[], isSourceFree: boolean): Answer {
  const open = agreed(worlds, isOpen);
  if (!open.sure) return "unknown";
  if (!open.value) return "no";
  return isSourceFree || agreed(worlds, ({ snat }) => snat.sourceSeen).sure ? "yes" : "unknown";
}

/** Returns whether an answer is yes (it is allowed, and nothing that is known stands in the way), no, or none. */
export function verdictOf({ allowed, reachable, unknown }: Explanation): Answer {
  if (allowed === false || reachable === false) return "no";
  return unknown === undefined && allowed === true ? "yes" : "unknown";
}

/** Returns whether an answer is a sure yes. */
export function isYes(answer: Explanation): boolean {
  return verdictOf(answer) === "yes";
}

type Ends = Required<Pick<Flow, "from" | "to">> & { readonly source: string; readonly destination: string };

/** The primary address of `to` that `from` can speak to, and the address that `from` uses for it. */
export function endsOf(facts: ClusterFacts, atlas: Atlas | undefined, from: End, to: End): Ends {
  for (const end of [from, to]) {
    if (end.addresses.length === 0)
      throw new TrunklineError("explain.no-address", { name: end.name, why: whyNone(end) });
  }
  for (const destination of to.addresses) {
    const source = from.addresses.find((address) => address.includes(":") === destination.includes(":"));
    if (source === undefined) continue;
    // Whoever speaks to this address speaks to itself, and with it.
    // (Of IPv4, with the first address of the loopback link, whichever of 127.0.0.0/8 it is.)
    if (isLoopback(destination)) {
      const source = destination.includes(":") ? destination : "127.0.0.1";
      return { from, to: itself(from, destination), source, destination };
    }
    const byTunnel = isOnNode(from) && from.pinned !== true && !atlas;
    const chosen = byTunnel
      ? tunnelSource(facts, nodeOf(from), destination)
      : chosenSource(atlas, from, destination);
    return { from, to, source: chosen ?? source, destination };
  }
  throw new TrunklineError("explain.family", { from: from.name, to: to.name });
}

/** A machine with several addresses uses the one of the link that leads there, unless it is named by one of them. */
export function chosenSource(atlas: Atlas | undefined, from: End, destination: string): string | undefined {
  const machine = from.type === "host" || isOnNode(from) ? atlas?.machineOf(from) : undefined;
  return machine && from.pinned !== true ? atlas?.sourceOn(machine, destination) : undefined;
}

function itself(end: End, address: string): End {
  return { ...end, addresses: [address] };
}

function whyNone(end: End): string {
  if (end.type !== "pod") return "no object gives it one";
  if (isTerminal(end.pod)) return `the pod has ended (${end.pod.status?.phase})`;
  if (end.pod.spec.nodeName === undefined) return "the pod has no node yet";
  return `the pod has not started on ${end.pod.spec.nodeName} yet`;
}

function reasonsOf({ egress, ingress, admission, snat, fate }: Told): string[] {
  const { broken, noReturn, listening, reason: ear } = fate;
  const verdicts = [
    ...(fate.diverted ? [{ allowed: false, text: ear }] : []),
    { allowed: egress.allowed, text: `egress ${egress.allowed ? "allowed" : "denied"}: ${egress.reason}` },
    {
      allowed: ingress.allowed,
      text: `ingress ${ingress.allowed ? "allowed" : "denied"}: ${ingress.reason}`,
    },
    ...(admission ? [{ allowed: admission.allowed, text: admission.reason }] : []),
    ...(broken !== undefined && fate.brokenUntranslated ? [{ allowed: false, text: broken }] : []),
    ...(snat.sourceSeen === undefined ? [{ allowed: false, text: `nothing leaves: ${snat.reason}` }] : []),
    ...(broken === undefined || fate.brokenUntranslated ? [] : [{ allowed: false, text: broken }]),
    ...(noReturn === undefined ? [] : [{ allowed: false, text: noReturn }]),
    ...(listening === true || broken !== undefined || fate.diverted
      ? []
      : [{ allowed: listening !== false, text: ear }]),
  ];
  const refusals = verdicts.filter((verdict) => !verdict.allowed);
  const rest = verdicts.filter((verdict) => verdict.allowed);
  return [...refusals, ...rest]
    .map((verdict) => verdict.text)
    .concat(snat.sourceSeen === undefined ? [] : `source ${snat.sourceSeen}: ${snat.reason}`);
}
