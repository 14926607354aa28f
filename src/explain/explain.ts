// One answer about one flow: how the ends came by their addresses, the way, the source address that the far side sees,
// what policies say in both directions, and whether it is allowed. Reads plans; touches nothing.
import { isTerminal } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";
import { cidrContains, tryParseCidr, tryParseIp } from "../base/ip.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import type { End } from "./ends.ts";
import type { DirectionVerdict, Judges, SourceDecision } from "./judge.ts";
import { listeningOn, portsOf } from "./listening.ts";
import { formatPort, type Port } from "./ports.ts";
import { type Provenance, provenanceOf } from "./provenance.ts";
import { type Hop, wayOf } from "./way.ts";

export interface Explanation {
  readonly from: Provenance;
  readonly to: Provenance;
  /** `80/tcp`; null: an ICMP echo. */
  readonly port: string | null;
  /** Policies of both ends and the far host's own list let it pass. */
  readonly allowed: boolean;
  /** Allowed, and something listens there, and the way leads there; null where no object tells. */
  readonly reachable: boolean | null;
  readonly listening: boolean | null;
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
  const { source, destination } = addressesOf(from, to);
  const flow = { from, to, source, destination, port: asked };
  const { egress, ingress } = judges.policies(flow);
  const snat = judges.source(flow);
  const admission = asked && admissionOf(from, to, snat.sourceSeen);
  const { listening, reason: ear } = listeningOn(facts, to, asked);
  const { hops, broken } = wayOf(facts, from, to, destination);
  const leaves = snat.sourceSeen !== undefined;
  const allowed = egress.allowed && ingress.allowed && leaves && (admission?.allowed ?? true);
  const arrives = broken === undefined ? listening : false;
  return {
    from: provenanceOf(facts, from, source),
    to: provenanceOf(facts, to, destination),
    port: asked ? formatPort(asked) : null,
    allowed,
    reachable: allowed ? (arrives ?? null) : false,
    listening: listening ?? null,
    sourceSeen: snat.sourceSeen ?? null,
    egress,
    ingress,
    ...(admission ? { admission } : {}),
    route: hops,
    snat,
    reasons: reasonsOf({ egress, ingress, admission, snat, broken, ear, listening }),
  };
}

/** The primary address of `to` that `from` can speak to, and the address that `from` uses for it. */
function addressesOf(from: End, to: End): { source: string; destination: string } {
  for (const end of [from, to]) {
    if (end.addresses.length === 0)
      throw new TrunklineError("explain.no-address", { name: end.name, why: whyNone(end) });
  }
  for (const destination of to.addresses) {
    const source = from.addresses.find((address) => address.includes(":") === destination.includes(":"));
    if (source !== undefined) return { source, destination };
  }
  throw new TrunklineError("explain.family", { from: from.name, to: to.name });
}

function whyNone(end: End): string {
  if (end.type !== "pod") return "no object gives it one";
  if (isTerminal(end.pod)) return `the pod has ended (${end.pod.status?.phase})`;
  if (end.pod.spec.nodeName === undefined) return "the pod has no node yet";
  return `the pod has not started on ${end.pod.spec.nodeName} yet`;
}

/** A host outside may serve some ranges only: it looks at the address that it sees. Itself it always serves. */
export function admissionOf(from: End, to: End, sourceSeen: string | undefined): Explanation["admission"] {
  if (
    sourceSeen === undefined ||
    from.name === to.name ||
    to.type !== "host" ||
    to.host.spec.admit === undefined
  )
    return undefined;
  const ip = tryParseIp(sourceSeen);
  const list = to.host.spec.admit;
  const found = list.find((text) => {
    const range = tryParseCidr(text);
    return text === sourceSeen || (ip && range && cidrContains(range, ip));
  });
  return found === undefined
    ? {
        allowed: false,
        reason: `${to.name} admits only ${list.join(", ") || "nobody"}, and sees ${sourceSeen}`,
      }
    : { allowed: true, reason: `${to.name} admits ${found}, which holds ${sourceSeen}` };
}

interface Parts {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  readonly admission: Explanation["admission"];
  readonly snat: SourceDecision;
  readonly broken: string | undefined;
  readonly ear: string;
  readonly listening: boolean | undefined;
}

function reasonsOf(parts: Parts): string[] {
  const { egress, ingress, admission, snat, broken, ear, listening } = parts;
  const verdicts = [
    { allowed: egress.allowed, text: `egress ${egress.allowed ? "allowed" : "denied"}: ${egress.reason}` },
    {
      allowed: ingress.allowed,
      text: `ingress ${ingress.allowed ? "allowed" : "denied"}: ${ingress.reason}`,
    },
    ...(admission ? [{ allowed: admission.allowed, text: admission.reason }] : []),
    ...(snat.sourceSeen === undefined ? [{ allowed: false, text: `nothing leaves: ${snat.reason}` }] : []),
    ...(broken === undefined ? [] : [{ allowed: false, text: broken }]),
    ...(listening === true ? [] : [{ allowed: listening !== false, text: ear }]),
  ];
  const refusals = verdicts.filter((verdict) => !verdict.allowed);
  const rest = verdicts.filter((verdict) => verdict.allowed);
  return [...refusals, ...rest]
    .map((verdict) => verdict.text)
    .concat(snat.sourceSeen === undefined ? [] : `source ${snat.sourceSeen}: ${snat.reason}`);
}
