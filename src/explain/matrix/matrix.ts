// Who may reach whom on which port: every end against every end, from the plans.
import { isTerminal } from "../../api/kinds/core.ts";
import { soundSpec } from "../../api/sound-policy.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type End, hostEnd, podEnd } from "../ends.ts";
import { admissionOf, chosenSource } from "../explain.ts";
import { type Fate, fateOf } from "../fate.ts";
import type { Atlas } from "../ground/atlas.ts";
import type { Judges, Pair, Reach, SourceDecision } from "../judge.ts";
import { portsOf } from "../listening.ts";
import { formatPort, type Port, uniquePorts } from "../ports.ts";

/** What refuses a cell. */
export interface Refusal {
  /** egress: policies of FROM; ingress: policies of TO; host: the far host's own list; port: nothing listens; route: no way. */
  readonly by: "egress" | "ingress" | "host" | "port" | "route" | "source";
  /** `NAMESPACE/NAME`, where one policy decides. */
  readonly policy?: string;
  readonly reason: string;
}

export interface Cell {
  readonly from: string;
  readonly to: string;
  /** `80/tcp` */
  readonly port: string;
  /** null: cannot tell. */
  readonly allowed: boolean | null;
  /** What refuses it, or where that cannot be told, what it hangs on. */
  readonly by?: Refusal;
}

/** What is known against a cell: it is refused (false), or that cannot be told (null). */
interface Against {
  readonly allowed: false | null;
  readonly by: Refusal;
}

export interface MatrixQuestion {
  readonly ends: readonly End[];
  /** declared: of each target those that it declares. */
  readonly ports: readonly Port[] | "declared";
  /**
   * live: what a probe would find, so that also the far host's own list and whether anything listens count.
   * policies: what policies alone say.
   */
  readonly view: "live" | "policies";
}

/** Returns the live pods and the hosts of a cluster, by name, routers left out; `namespaces` undefined: all. */
export function clusterEnds(facts: ClusterFacts, namespaces?: ReadonlySet<string>): End[] {
  const pods = [...facts.pods.values()].filter(
    (pod) =>
      !isTerminal(pod) &&
      pod.metadata.deletionTimestamp === undefined &&
      (namespaces?.has(pod.metadata.namespace ?? "") ?? true),
  );
  const hosts = [...facts.hosts.values()].filter(({ spec }) => spec.role !== "router");
  return [...pods.map(podEnd), ...hosts.map(hostEnd)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns all ports that ends declare. */
export function declaredBy(ends: readonly End[]): Port[] {
  return uniquePorts(ends.flatMap(portsOf));
}

/** Returns the ports that policies name by number; of a range its first and last. */
export function policyPorts(facts: ClusterFacts): Port[] {
  const rules = [...facts.policies.values()]
    .map(soundSpec)
    .flatMap(({ ingress, egress }) => [...(ingress ?? []), ...(egress ?? [])]);
  return uniquePorts(
    rules.flatMap((rule) =>
      (rule.ports ?? []).flatMap(({ port, endPort, protocol = "TCP" }) =>
        [port, endPort].flatMap((number) => (typeof number === "number" ? { port: number, protocol } : [])),
      ),
    ),
  );
}

/** Gives the cells one by one, since large clusters have more of them than memory; two ranges make no cell. */
export function* matrixCells(facts: ClusterFacts, judges: Judges, question: MatrixQuestion): Generator<Cell> {
  const policies = new PolicyRefusals(judges, question.ends);
  const ports = question.ports === "declared" ? undefined : question.ports.map(named);
  const own = new Map(question.ends.map((end) => [end, ports ?? uniquePorts(portsOf(end)).map(named)]));
  for (const from of question.ends) {
    for (const to of question.ends) {
      if (from.type === "address" && to.type === "address") continue;
      const pair = policies.pair(from, to);
      for (const { port, text } of own.get(to) ?? []) {
        const byPolicies = policies.of(pair, port);
        const live = question.view === "live" && byPolicies?.allowed !== false;
        const by = live ? liveRefusal(facts, judges, pair, port) : undefined;
        const against = by ? { allowed: false as const, by } : byPolicies;
        yield { from: from.name, to: to.name, port: text, allowed: true, ...against };
      }
    }
  }
}

function named(port: Port): { readonly port: Port; readonly text: string } {
  return { port, text: formatPort(port) };
}

/** What policies say against flows among these ends, in words that are made only where there is something. */
export class PolicyRefusals {
  readonly #reach: Reach;
  readonly #judges: Judges;
  /** The default refuses in the same words whoever the other end is. */
  readonly #words = { egress: new Map<End, Against>(), ingress: new Map<End, Against>() };

  constructor(judges: Judges, ends: readonly End[]) {
    this.#judges = judges;
    this.#reach = judges.reach(ends);
  }

  /** Returns two ends with the addresses that they speak with. */
  pair(from: End, to: End): Pair {
    return { from, to, ...addressPair(this.#judges.atlas, from, to) };
  }

  /** Returns whether policies allow it; null: cannot tell. */
  allows(pair: Pair, port: Port): boolean | null {
    const side = this.#reach.refusing(pair, port);
    return side === "unknown" ? null : side === undefined;
  }

  /** Returns what they say against it; undefined: nothing. */
  of(pair: Pair, port: Port): Against | undefined {
    const side = this.#reach.refusing(pair, port);
    if (side === undefined) return undefined;
    if (side === "unknown") return this.#doubt(pair, port);
    const words = this.#words[side];
    const self = side === "egress" ? pair.from : pair.to;
    const known = words.get(self);
    if (known !== undefined) return known;
    const { policy, reason, rule } = this.#judges.policies({ ...pair, port })[side];
    const by: Refusal = { by: side, ...(policy === undefined ? {} : { policy }), reason };
    const against = { allowed: false, by } as const;
    // A rule that denies would be one for some other ends only.
    if (rule === undefined) words.set(self, against);
    return against;
  }

  #doubt(pair: Pair, port: Port): Against {
    const doubt = this.#reach.doubt(pair, port);
    const { by = "egress", policy, reason = "an address is not known yet" } = doubt ?? {};
    return { allowed: null, by: { by, ...(policy === undefined ? {} : { policy }), reason } };
  }
}

function liveRefusal(facts: ClusterFacts, judges: Judges, pair: Pair, port: Port): Refusal | undefined {
  const { from, to, source, destination } = pair;
  if (source === undefined || destination === undefined) {
    return {
      by: "source",
      reason: `${from.addresses.length === 0 ? from.name : to.name} has no address yet`,
    };
  }
  const flow = { from, to, source, destination, port };
  // Where the network is not known whole, the source matters to hosts that admit some only.
  if (to.type !== "host" && !judges.atlas) return refusalOf(fateOf(facts, undefined, flow, noTranslation));
  const seen = judges.source(flow);
  if (seen.sourceSeen === undefined) return { by: "source", reason: seen.reason };
  const fate = fateOf(facts, judges.atlas, flow, seen);
  const admission = admissionOf(fate, from, to, seen.sourceSeen);
  if (admission && !admission.allowed) return { by: "host", reason: admission.reason };
  return refusalOf(fate);
}

const noTranslation: SourceDecision = { action: "None", sourceSeen: undefined, reason: "" };

function refusalOf({ broken, noReturn, listening, reason }: Fate): Refusal | undefined {
  const wayless = broken ?? noReturn;
  if (wayless !== undefined) return { by: "route", reason: wayless };
  return listening === false ? { by: "port", reason } : undefined;
}

/** The addresses that two ends speak with; undefined where one has none of the other's family, as in manifests. */
function addressPair(
  atlas: Atlas | undefined,
  from: End,
  to: End,
): { source: string | undefined; destination: string | undefined } {
  for (const destination of to.addresses) {
    const source = from.addresses.find((address) => address.includes(":") === destination.includes(":"));
    if (source !== undefined)
      return { source: chosenSource(atlas, from, destination) ?? source, destination };
  }
  return { source: from.addresses[0], destination: to.addresses[0] };
}
