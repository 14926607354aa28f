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
  readonly allowed: boolean;
  /** Present where it is refused. */
  readonly by?: Refusal;
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
        const by =
          policies.of(pair, port) ??
          (question.view === "live" ? liveRefusal(facts, judges, pair, port) : undefined);
        yield { from: from.name, to: to.name, port: text, allowed: by === undefined, ...(by ? { by } : {}) };
      }
    }
  }
}

function named(port: Port): { readonly port: Port; readonly text: string } {
  return { port, text: formatPort(port) };
}

/** What policies refuse among these ends, in words that are made only where something is refused. */
export class PolicyRefusals {
  /** Returns which side refuses; undefined: none. */
  readonly side: Reach;
  readonly #judges: Judges;
  /** The default refuses in the same words whoever the other end is. */
  readonly #words = { egress: new Map<End, Refusal>(), ingress: new Map<End, Refusal>() };

  constructor(judges: Judges, ends: readonly End[]) {
    this.#judges = judges;
    this.side = judges.reach(ends);
  }

  /** Returns two ends with the addresses that they speak with. */
  pair(from: End, to: End): Pair {
    return { from, to, ...addressPair(this.#judges.atlas, from, to) };
  }

  of(pair: Pair, port: Port): Refusal | undefined {
    const side = this.side(pair, port);
    if (side === undefined) return undefined;
    const words = this.#words[side];
    const self = side === "egress" ? pair.from : pair.to;
    const known = words.get(self);
    if (known !== undefined) return known;
    const { policy, reason, rule } = this.#judges.policies({ ...pair, port })[side];
    const refusal: Refusal = { by: side, ...(policy === undefined ? {} : { policy }), reason };
    // A rule that denies would be one for some other ends only.
    if (rule === undefined) words.set(self, refusal);
    return refusal;
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
