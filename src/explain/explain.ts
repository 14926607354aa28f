// One answer about one flow: how the ends came by their addresses, the way, the source address that the far side sees,
// what policies say in both directions, and whether it is allowed. Reads plans; touches nothing.
import { isTerminal } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";
import { cidrContains, tryParseCidr, tryParseIp } from "../base/ip.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { type End, isOnNode } from "./ends.ts";
import { type Fate, fateOf, type Outcome } from "./fate.ts";
import { type Atlas, isLoopback } from "./ground/atlas.ts";
import type { DirectionVerdict, Flow, Judges, SourceDecision } from "./judge.ts";
import { portsOf } from "./listening.ts";
import { formatPort, type Port } from "./ports.ts";
import { type Provenance, provenanceOf } from "./provenance.ts";
import type { Hop } from "./way.ts";

export interface Explanation {
  readonly from: Provenance;
  readonly to: Provenance;
  /** `80/tcp`; null: an ICMP echo. */
  readonly port: string | null;
  /** Policies of both ends and the far host's own list let it pass. */
  readonly allowed: boolean;
  /** What a probe will find: allowed, and something listens there, and the way leads there and back; null where nothing tells. */
  readonly reachable: boolean | null;
  /** The `outcome` of that probe, which says how it fails; null where nothing tells. */
  readonly expected: Outcome | null;
  readonly listening: boolean | null;
  /** Who listens, or why nobody does. */
  readonly listener: string;
  /** null: no packet leaves. */
  readonly sourceSeen: string | null;
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  /** The far host's own list of ranges, if it has one. */
  readonly admission?: { readonly allowed: boolean; readonly reason: string };
  readonly route: readonly Hop[];
  readonly snat: SourceDecision;
  /** The same in sentences, what decides first. */
  readonly reasons: readonly string[];
}

/**
 * Explains a flow.
 * @param port without one, the first port that `to` declares, and if it declares none, an ICMP echo
 * @throws TrunklineError `explain.no-address`, `explain.family`
 */
export function explain(facts: ClusterFacts, judges: Judges, from: End, to: End, port?: Port): Explanation {
  const asked = port ?? portsOf(to)[0];
  const flow = { ...endsOf(judges.atlas, from, to), port: asked };
  const { source, destination } = flow;
  const { egress, ingress } = judges.policies(flow);
  const snat = judges.source(flow);
  const fate = fateOf(facts, judges.atlas, flow, snat);
  const admission = asked && admissionOf(fate, from, flow.to, snat.sourceSeen);
  const leaves = snat.sourceSeen !== undefined;
  const allowed = egress.allowed && ingress.allowed && leaves && (admission?.allowed ?? true);
  const expected = expectedOf({ egress, ingress, admission, leaves, fate });
  return {
    from: provenanceOf(facts, from, source),
    to: provenanceOf(facts, flow.to, destination),
    port: asked ? formatPort(asked) : null,
    allowed,
    reachable:
      expected === null && (allowed || fate.diverted === true) ? null : allowed && expected === "answered",
    expected,
    listening: fate.listening ?? null,
    listener: fate.reason,
    sourceSeen: snat.sourceSeen ?? null,
    egress,
    ingress,
    ...(admission ? { admission } : {}),
    route: fate.hops,
    snat,
    reasons: reasonsOf({ egress, ingress, admission, snat, fate }),
  };
}

/** Returns whether an answer is yes: it is allowed, and nothing that is known stands in the way. */
export function isYes({ allowed, reachable }: Explanation): boolean {
  return allowed && reachable !== false;
}

interface Verdicts {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  readonly admission: Explanation["admission"];
}

/** Returns what a probe will find: whoever refuses first on the way decides. */
function expectedOf({
  egress,
  ingress,
  admission,
  leaves,
  fate,
}: Verdicts & { readonly leaves: boolean; readonly fate: Fate }): Outcome | null {
  if (fate.diverted) return null;
  if (!egress.allowed || !leaves) return "filtered";
  if (fate.broken !== undefined) return fate.outcome ?? null;
  if (!ingress.allowed) return "filtered";
  return (admission?.allowed === false ? fate.refusal : fate.outcome) ?? null;
}

type Ends = Required<Pick<Flow, "from" | "to">> & { readonly source: string; readonly destination: string };

/** The primary address of `to` that `from` can speak to, and the address that `from` uses for it. */
function endsOf(atlas: Atlas | undefined, from: End, to: End): Ends {
  for (const end of [from, to]) {
    if (end.addresses.length === 0)
      throw new TrunklineError("explain.no-address", { name: end.name, why: whyNone(end) });
  }
  for (const destination of to.addresses) {
    const source = from.addresses.find((address) => address.includes(":") === destination.includes(":"));
    if (source === undefined) continue;
    // Whoever speaks to this address speaks to itself, and with it.
    if (isLoopback(destination))
      return { from, to: itself(from, destination), source: destination, destination };
    return { from, to, source: chosenSource(atlas, from, destination) ?? source, destination };
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

/** A host outside may serve some ranges only: it looks at the address that it sees. Itself it always serves. */
export function admissionOf(
  { machine }: Fate,
  from: End,
  to: End,
  sourceSeen: string | undefined,
): Explanation["admission"] {
  const { name } = machine ?? to;
  const list = machine ? machine.admit : to.type === "host" ? to.host.spec.admit : undefined;
  if (sourceSeen === undefined || from.name === name || list === undefined) return undefined;
  const ip = tryParseIp(sourceSeen);
  const found = list.find((text) => {
    const range = tryParseCidr(text);
    return text === sourceSeen || (ip && range && cidrContains(range, ip));
  });
  return found === undefined
    ? {
        allowed: false,
        reason: `${name} admits only ${list.join(", ") || "nobody"}, and sees ${sourceSeen}`,
      }
    : { allowed: true, reason: `${name} admits ${found}, which holds ${sourceSeen}` };
}

interface Parts extends Verdicts {
  readonly snat: SourceDecision;
  readonly fate: Fate;
}

function reasonsOf({ egress, ingress, admission, snat, fate }: Parts): string[] {
  const { broken, noReturn, listening, reason: ear } = fate;
  const verdicts = [
    ...(fate.diverted ? [{ allowed: false, text: ear }] : []),
    { allowed: egress.allowed, text: `egress ${egress.allowed ? "allowed" : "denied"}: ${egress.reason}` },
    {
      allowed: ingress.allowed,
      text: `ingress ${ingress.allowed ? "allowed" : "denied"}: ${ingress.reason}`,
    },
    ...(admission ? [{ allowed: admission.allowed, text: admission.reason }] : []),
    ...(snat.sourceSeen === undefined ? [{ allowed: false, text: `nothing leaves: ${snat.reason}` }] : []),
    ...(broken === undefined ? [] : [{ allowed: false, text: broken }]),
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
