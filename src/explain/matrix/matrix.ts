// Who may reach whom on which port: every end against every end, from the plans.
import { isTerminal } from "../../api/kinds/core.ts";
import { soundSpec } from "../../api/validation/sound-policy.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { getOrMake } from "../../plan/policy/node/selector-index.ts";
import { wantedTunnels } from "../../plan/routing/tunnels.ts";
import { type End, hostEnd, isOnNode, podEnd } from "../ends.ts";
import { chosenSource, worldsOf } from "../explain.ts";
import { type Fate, guessedFate, type PlacedFlow } from "../fate.ts";
import type { Atlas } from "../ground/atlas.ts";
import type { Judges, Pair, Reach } from "../judges/judge.ts";
import { portsOf } from "../listening.ts";
import { formatPort, type Port, uniquePorts } from "../ports.ts";
import { doubtsOf, type Told } from "../told.ts";
import { tunnelSourceTo } from "../way/tunnel-source.ts";

/** What refuses a cell. */
export interface Refusal {
  /** egress: policies of FROM; ingress: policies of TO; host: the far host's own list; port: nothing listens; route: no way; unknown: nothing surely. */
  readonly by: "egress" | "ingress" | "host" | "port" | "route" | "source" | "unknown";
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
export interface Against {
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
  /** Services that are targets, too. */
  readonly services?: readonly ServiceColumn[];
}

/** A Service as a target: its ports, and who knows what stands against a flow to one of them. */
export interface ServiceColumn {
  readonly to: End;
  readonly asked: readonly {
    readonly port: Port;
    readonly against?: (from: End) => Against | undefined;
    /** Whose policies alone count: those of everybody behind it. */
    readonly behind?: readonly Behind[];
  }[];
}

/** Someone that a Service leads to, and the port that is asked there. */
export interface Behind {
  readonly to: End;
  readonly port: Port;
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

/** A target, and the ports that are asked of it. */
export interface Column {
  readonly to: End;
  readonly ports: readonly NamedPort[];
}

/** One sender, asked about any target. */
export interface Row {
  readonly from: End;
  /** Says quickly whether it may pass; null: cannot tell; undefined: only `against` knows. */
  readonly lets: (to: End, port: NamedPort) => boolean | null | undefined;
  /** Returns what is known against it; undefined: nothing. */
  readonly against: (to: End, port: NamedPort) => Against | undefined;
}

/** Returns the columns of a matrix, and its rows one by one. */
export function matrixOf(
  facts: ClusterFacts,
  judges: Judges,
  question: MatrixQuestion,
): { readonly columns: readonly Column[]; readonly rows: Iterable<Row> } {
  const { ends, view } = question;
  const policies = new PolicyRefusals(facts, judges, ends);
  const chosen = question.ports === "declared" ? undefined : uniquePorts(question.ports);
  const services = new Map((question.services ?? []).map(({ to, asked }) => [to, asked]));
  const columns = [
    ...ends.map((to) => ({ to, ports: (chosen ?? uniquePorts(portsOf(to))).map(named) })),
    ...services.entries().map(([to, asked]) => ({ to, ports: asked.map(({ port }) => named(port)) })),
  ];
  const rowOf = (from: End): Row => {
    const known = new Map<string, (to: End) => boolean | null | undefined>();
    return {
      from,
      // What more than policies decides is asked cell by cell.
      lets:
        view === "policies"
          ? (to, { port, text }) =>
              services.has(to) ? undefined : getOrMake(known, text, () => policies.outOf(from, port))(to)
          : () => undefined,
      against: (to, { port, text }) => {
        const asked = services.get(to)?.find((one) => formatPort(one.port) === text);
        if (asked) return asked.against ? asked.against(from) : behindOf(policies, from, asked.behind ?? []);
        return cellOf(facts, judges, policies, view, policies.pair(from, to), port);
      },
    };
  };
  return { columns, rows: ends.values().map(rowOf) };
}

/** Whether two ends make cells: two ranges do not. */
export function isPair(from: End, to: End): boolean {
  return from.type !== "address" || to.type !== "address";
}

/** Gives the cells one by one, since large clusters have more of them than memory. */
export function* matrixCells(facts: ClusterFacts, judges: Judges, question: MatrixQuestion): Generator<Cell> {
  const { columns, rows } = matrixOf(facts, judges, question);
  for (const { from, lets, against } of rows)
    for (const { to, ports } of columns) {
      if (!isPair(from, to)) continue;
      for (const port of ports) {
        const known = lets(to, port) ? undefined : against(to, port);
        // Spelled out, as spreading costs more than all else in millions of cells.
        yield known
          ? { from: from.name, to: to.name, port: port.text, allowed: known.allowed, by: known.by }
          : { from: from.name, to: to.name, port: port.text, allowed: true };
      }
    }
}

function cellOf(
  facts: ClusterFacts,
  judges: Judges,
  policies: PolicyRefusals,
  view: MatrixQuestion["view"],
  pair: Pair,
  port: Port,
): Against | undefined {
  const flow = flowOf(pair, port);
  // What policies say is part of a journey where they may be asked about another packet than the one that was sent.
  if (view === "live" && flow && isFollowed(judges, flow)) return journeyRefusal(facts, judges, flow);
  const byPolicies = policies.of(pair, port);
  if (view !== "live" || byPolicies?.allowed === false) return byPolicies;
  return flow
    ? (liveRefusal(facts, judges, flow) ?? byPolicies)
    : refused({ by: "source", reason: `${nameless(pair)} has no address yet` });
}

/** What policies say against a flow that goes on to any of these. */
function behindOf(policies: PolicyRefusals, from: End, behind: readonly Behind[]): Against | undefined {
  if (behind.length === 0)
    return refused({ by: "route", reason: "its selector finds no pod with that port" });
  const found = behind.map(({ to, port }) => ({ to, against: policies.of(policies.pair(from, to), port) }));
  if (found.every(({ against }) => against === undefined)) return undefined;
  const [first] = found.flatMap(({ against }) => against ?? []);
  if (found.every(({ against }) => against?.allowed === false)) return first;
  const words = found.map(({ to, against }) => {
    const word = against === undefined ? "allowed" : against.allowed === null ? "cannot be told" : "denied";
    return `${to.name} ${word}`;
  });
  const reason =
    found.length > 1 ? `which endpoint is chosen (${words.join(", ")})` : (first?.by.reason ?? "");
  return { allowed: null, by: { by: "unknown", reason } };
}

function nameless({ from, to }: Pair): string {
  return from.addresses.length === 0 ? from.name : to.name;
}

function refused(by: Refusal): Against {
  return { allowed: false, by };
}

function flowOf({ from, to, source, destination }: Pair, port: Port): PlacedFlow | undefined {
  return source === undefined || destination === undefined
    ? undefined
    : { from, to, source, destination, port };
}

function isFollowed({ foreign, network }: Judges, { from }: PlacedFlow): boolean {
  return foreign && network?.atlas.machineOf(from) !== undefined;
}

export interface NamedPort {
  readonly port: Port;
  readonly text: string;
}

function named(port: Port): NamedPort {
  return { port, text: formatPort(port) };
}

/** What policies say against flows among these ends, in words that are made only where there is something. */
export class PolicyRefusals {
  readonly #reach: Reach;
  readonly #facts: ClusterFacts;
  readonly #judges: Judges;
  /** Some pool asks for one. */
  readonly #tunnels: boolean;
  /** The default refuses in the same words whoever the other end is. */
  readonly #words = { egress: new Map<End, Against>(), ingress: new Map<End, Against>() };

  /** @param facts of which the judges judge */
  constructor(facts: ClusterFacts, judges: Judges, ends: readonly End[]) {
    this.#facts = facts;
    this.#judges = judges;
    this.#tunnels = wantedTunnels(facts).length > 0;
    this.#reach = judges.reach(ends);
  }

  /** Returns two ends with the addresses that they speak with. */
  pair(from: End, to: End): Pair {
    const { atlas } = this.#judges;
    const addresses = addressPair(atlas, from, to);
    if (atlas || !this.#tunnels || !isOnNode(from)) return { from, to, ...addresses };
    const { source, destination } = addresses;
    const byTunnel = tunnelSourceTo(this.#facts, from, to, destination);
    if (byTunnel === undefined) return { from, to, ...addresses };
    if (byTunnel !== "unknown") return { from, to, source: byTunnel.address, destination };
    const perhapsByTunnel = (destination ?? source)?.includes(":") ? 6 : 4;
    return { from, to, ...addresses, perhapsByTunnel };
  }

  /** Returns what says of any end whether policies let `from` reach it; undefined: ask for the pair. */
  outOf(from: End, port: Port): (to: End) => boolean | null | undefined {
    // Where the network is known, a pair may speak with other addresses than its first, or be translated.
    const { atlas, foreign } = this.#judges;
    const hasOtherSources = this.#tunnels && isOnNode(from);
    return atlas || foreign || hasOtherSources ? () => undefined : this.#reach.outOf(from, port);
  }

  /** Returns whether policies allow it; null: cannot tell. */
  allows(pair: Pair, port: Port): boolean | null {
    const flow = flowOf(pair, port);
    if (flow && isFollowed(this.#judges, flow)) {
      const against = this.of(pair, port);
      return against ? against.allowed : true;
    }
    const side = this.#reach.refusing(pair, port);
    return side === "unknown" ? null : side === undefined;
  }

  /** Returns what they say against it; undefined: nothing. */
  of(pair: Pair, port: Port): Against | undefined {
    const flow = flowOf(pair, port);
    // Others' rules may have made another packet of it by the time that policies are asked.
    if (flow && isFollowed(this.#judges, flow))
      return journeyRefusal(this.#facts, this.#judges, flow, policyOf);
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
    const { by = "egress", policy } = doubt ?? {};
    const reason = doubt?.reason() ?? "an address is not known yet";
    return { allowed: null, by: { by, ...(policy === undefined ? {} : { policy }), reason } };
  }

  /** Returns what it hangs on that it cannot be told: equal texts, the same. */
  hangsOn(pair: Pair, port: Port): string {
    const { by, key } = this.#reach.doubt(pair, port) ?? {};
    return `${by} ${key}`;
  }
}

/** What stands against a flow that policies let pass. */
function liveRefusal(facts: ClusterFacts, judges: Judges, flow: PlacedFlow): Against | undefined {
  // Where the network is not known whole, the source matters to hosts that admit some only, and to groups.
  if (flow.to.type === "host" || judges.atlas || judges.groups) return journeyRefusal(facts, judges, flow);
  const fate = guessedFate(facts, undefined, flow);
  const against = wayRefusal(fate);
  if (against) return refused(against);
  return fate.doubt === undefined ? undefined : { allowed: null, by: { by: "unknown", reason: fate.doubt } };
}

/** Returns what refuses a flow in every world that there may be; where only some do, that cannot be told. */
function journeyRefusal(
  facts: ClusterFacts,
  judges: Judges,
  flow: PlacedFlow,
  refusal: (told: Told) => Refusal | undefined = refusalOf,
): Against | undefined {
  const worlds = worldsOf(facts, judges, flow);
  const found = worlds.map(({ told }) => (told && !isUntold(told) ? (refusal(told) ?? "none") : "untold"));
  if (found.every((one) => one === "none")) return undefined;
  const refusals = found.filter((one) => typeof one !== "string");
  if (refusals.length === found.length) return refused(refusals[0]!);
  const [untold] = worlds.flatMap(({ told }) => (told && isUntold(told) ? [told.fate.reason] : []));
  return { allowed: null, by: { by: "unknown", reason: untold ?? doubtsOf(worlds).join("; ") } };
}

/** It is led elsewhere by rules that nobody has looked at. */
function isUntold({ fate: { machine, outcome } }: Told): boolean {
  return machine !== undefined && outcome === undefined;
}

function refusalOf({ egress, ingress, admission, snat, fate }: Told): Refusal | undefined {
  for (const [by, { allowed, policy, reason }] of [
    ["egress", egress],
    ["ingress", ingress],
  ] as const)
    if (!allowed) return { by, ...(policy === undefined ? {} : { policy }), reason };
  if (snat.sourceSeen === undefined) return { by: "source", reason: snat.reason };
  if (admission && !admission.allowed) return { by: "host", reason: admission.reason };
  return wayRefusal(fate);
}

function wayRefusal({ broken, noReturn, listening, reason }: Fate): Refusal | undefined {
  const wayless = broken ?? noReturn;
  if (wayless !== undefined) return { by: "route", reason: wayless };
  return listening === false ? { by: "port", reason } : undefined;
}

/** What policies alone say. */
function policyOf({ egress, ingress }: Told): Refusal | undefined {
  const policies = (["egress", "ingress"] as const).map((by) => ({
    by,
    ...(by === "egress" ? egress : ingress),
  }));
  const refusing = policies.find(({ allowed, groups }) => !allowed && !groups);
  if (!refusing) return undefined;
  const { by, policy, reason } = refusing;
  return { by, ...(policy === undefined ? {} : { policy }), reason };
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
