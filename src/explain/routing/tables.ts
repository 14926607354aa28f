// Routes as people ask for them: what is planned, put beside what nodes have, for the cluster or for one node.
import { cidrCovers, tryParseCidr } from "../../base/ip.ts";
import { BIRD_PROTOCOL, OUTSIDE_MARK } from "../../bird/config/types.ts";
import type { BirdRoute } from "../../bird/read/routes.ts";
import { ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { RoutingFinding } from "../../plan/routing/bird/findings.ts";
import type { NodeLink } from "../../plan/routing/bird/plan-bird.ts";
import type { SessionReport } from "../../plan/routing/bird/report.ts";
import { isHandedOver, routingProtocols, routingSettings } from "../../plan/routing/bird/settings.ts";
import { nodeAddress } from "../../plan/routing/node-address.ts";
import { type PlannedRoute, planRoutes, type RouteReason } from "../../plan/routing/plan-routes.ts";
import { isCard, tunnelMtus, usedTunnels } from "../../plan/routing/tunnel-settings.ts";
import { lackingIpip, lacksIpip, tunnelOf } from "../../plan/routing/tunnels.ts";
import { routeReason } from "../way.ts";
import { type Through, throughTunnel, type Ways, waysTo, wordedWays } from "./ways.ts";

/** What a node's agent tells of its routes. */
export interface NodeRouting {
  readonly node: string;
  readonly running: boolean;
  readonly error: string | null;
  readonly sessions: readonly SessionReport[];
  readonly ripNeighbours: readonly {
    readonly node: string;
    readonly interface: string;
    readonly address: string;
  }[];
  readonly findings: readonly RoutingFinding[];
  /** BIRD's. */
  readonly routes: readonly BirdRoute[];
  readonly refused: readonly {
    readonly prefix: string;
    readonly peer: string;
    readonly through: "bgp" | "rip";
    readonly why: string;
  }[];
  /** Prefixes that go out, by the peer's address. */
  readonly exports: Readonly<Record<string, readonly string[]>>;
  /** The main table. */
  readonly kernel: readonly Route[];
  readonly links: readonly (NodeLink & { readonly index: number; readonly mtu: number })[];
}

export interface ClusterRow {
  readonly prefix: string;
  /** A node, or the address outside that it came from. */
  readonly announcedBy: string;
  readonly via: string | null;
  readonly through: Through;
  readonly peer: string | null;
  readonly pool: string | null;
  readonly why: string;
  readonly accepted: boolean;
  readonly outside: boolean;
  /** BIRD of its node tells somebody of it; null: it is none of BIRD's, or nobody knows. */
  readonly announced?: boolean | null;
  /** How other nodes send to it, where that is not the same for all of them. */
  readonly ways?: readonly Ways[];
}

export interface NodeRow extends ClusterRow {
  readonly type: "unicast" | "blackhole" | "unreachable";
  readonly dev: string | null;
  readonly inKernel: boolean;
}

/** Returns one row for each prefix and announcer, of pods' ranges first, by address. */
export function clusterRows(facts: ClusterFacts, live: ReadonlyMap<string, NodeRouting>): ClusterRow[] {
  const nodes = [...live.values()];
  const rows = new Map<string, ClusterRow>();
  const put = (row: ClusterRow) => {
    const key = `${row.prefix} ${row.announcedBy} ${row.accepted}`;
    if (!rows.has(key)) rows.set(key, row);
  };
  for (const row of announced(facts))
    put(
      isBirds(row.through)
        ? { ...toldOf(row, live.get(row.announcedBy)), ...heardBy(nodes, row.prefix, row.through) }
        : row,
    );
  const first = origins(nodes);
  for (const node of nodes) {
    for (const route of node.routes) {
      const heard = outsideRoute(facts, node, route, first);
      if (heard) put(heard);
    }
    for (const one of node.refused) put(refusedRow(facts, one));
  }
  return [...rows.values()].toSorted(byPrefix);
}

/** Returns the rows of one node, and what it tells to whom. `live`: undefined where its agent does not answer. */
export function nodeTable(facts: ClusterFacts, name: string, live: NodeRouting | undefined) {
  const plan = planRoutes(facts, name);
  const rows: NodeRow[] = plan.routes.map((planned) => plannedRow(facts, name, planned, live));
  const known = new Set(rows.map(({ prefix }) => prefix));
  const first = origins(live ? [live] : []);
  for (const route of live?.routes ?? []) {
    const heard = live && !known.has(route.prefix) ? outsideRoute(facts, live, route, first) : undefined;
    if (heard && live) rows.push({ ...heard, ...inKernel(live, route) });
  }
  for (const one of live?.refused ?? [])
    rows.push({ ...refusedRow(facts, one), type: "unicast", dev: null, inKernel: false });
  const node = facts.nodes.get(name);
  const address = (family: 4 | 6) => {
    const found = node && nodeAddress(facts, node, family);
    return found ? `${found.address}/${found.length ?? (family === 4 ? 32 : 128)}` : null;
  };
  const uplink = live?.links.find((link) =>
    link.addresses.some(
      (one) => node && one === (nodeAddress(facts, node, 4) ?? nodeAddress(facts, node, 6))?.address,
    ),
  );
  return {
    node: name,
    nodeAddress: {
      ipv4: address(4),
      ipv6: address(6),
      method: routingSettings(facts).nodeAddress?.ipv4 ?? "kubernetes-internal-ip",
    },
    mtu: mtusOfNode(facts, name, uplink?.name, live),
    routes: rows.toSorted(byPrefix),
    exports: exportRows(facts, name, live),
    problems: [
      ...plan.problems,
      ...(live?.findings ?? []).map(({ object, message, code }) => ({
        prefix: object,
        node: name,
        why: code,
        message,
      })),
      ...(live && !live.running && routingProtocols(facts).size > 0
        ? [
            {
              prefix: `Node/${name}`,
              node: name,
              why: "bird-away",
              message: "BIRD does not run: it tells no routes, and hears none",
            },
          ]
        : []),
      ...(live?.error ? [{ prefix: `Node/${name}`, node: name, why: "bird", message: live.error }] : []),
    ],
  };
}

/** What the cluster's nodes announce, as planned. */
function announced(facts: ClusterFacts): ClusterRow[] {
  const rows: ClusterRow[] = [];
  for (const block of facts.blocks.values()) {
    const { cidr, node, pool, state, loans = [] } = block.spec;
    const lacking = lackingIpip(facts, facts.pools.get(pool));
    const noTunnel =
      lacking.length === 0
        ? ""
        : `; without the tunnel that its pool asks for where kernels have no IP in IP: ${lacking.join(", ")}`;
    const why = {
      pending: `claimed by ${node} and not confirmed yet: no node has a route`,
      confirmed: `${node} owns block ${block.metadata.name}${noTunnel}`,
      releasing: `${node} owns block ${block.metadata.name} and is giving it back${noTunnel}`,
    }[state];
    const common = { peer: null, pool, accepted: true, outside: false };
    const via = state === "pending" ? null : addressOf(facts, node, cidr);
    rows.push({ ...common, ...howSent(facts, pool, node, why), prefix: cidr, announcedBy: node, via });
    for (const loan of loans.filter((one) => one.returned !== true)) {
      const prefix = `${loan.address}/${loan.address.includes(":") ? 128 : 32}`;
      const reason = `${node} lent it to ${loan.node} out of block ${block.metadata.name}`;
      rows.push({
        ...common,
        ...howSent(facts, pool, loan.node, reason),
        prefix,
        announcedBy: loan.node,
        via: addressOf(facts, loan.node, prefix),
      });
    }
  }
  return rows;
}

/** What the other nodes do for a pool with a tunnel, which a node here and there may not use. */
function howSent(
  facts: ClusterFacts,
  pool: string,
  owner: string,
  why: string,
): Pick<ClusterRow, "through" | "why" | "ways"> {
  const ways = waysTo(facts, pool, owner);
  const [first, ...others] = ways;
  if (!first) return { through: throughOf(facts, pool), why };
  if (others.length === 0) return { through: first.through, why };
  return { through: throughOf(facts, pool), why: `${why}; ${wordedWays(ways)}`, ways };
}

function throughOf(facts: ClusterFacts, pool: string): Through {
  const found = facts.pools.get(pool);
  const kind = found && tunnelOf(found)?.type.kind;
  const lacking = kind === "ipip" && [...facts.nodes.values()].some(lacksIpip);
  if (kind !== undefined && !lacking) return throughTunnel(kind);
  const [any] = [...facts.nodes.values()].filter(lacksIpip);
  if (!isHandedOver(facts, found, lacking ? any : undefined)) return "direct";
  return routingProtocols(facts).has("bgp") ? "bgp" : "rip";
}

/** MTUs of a node's tunnel devices and of its new pods. */
function mtusOfNode(
  facts: ClusterFacts,
  name: string,
  uplink: string | undefined,
  live: NodeRouting | undefined,
) {
  const links = live?.links ?? [];
  const used = usedTunnels(facts, name);
  const mtuOf = (device: string) =>
    used.some((type) => type.device === device) ? links.find((link) => link.name === device)?.mtu : undefined;
  const least = Math.min(
    ...links.filter((one) => one.name === uplink || isCard(one.name)).map(({ mtu }) => mtu),
  );
  const pod = Number.isFinite(least) ? tunnelMtus(facts, least, used).pod : null;
  return { pod, ipip: mtuOf("tunl0") ?? null, vxlan: mtuOf("vxlan.tl") ?? mtuOf("vxlan6.tl") ?? null };
}

function isBirds(through: Through): boolean {
  return through === "bgp" || through === "rip";
}

/** Says whether the announcer's BIRD does announce it: what is planned may not be so. */
function toldOf(row: ClusterRow, live: NodeRouting | undefined): ClusterRow {
  const why = live && row.via !== null ? whyUntold(live) : undefined;
  if (!live || row.via === null) return { ...row, announced: null };
  return why === undefined
    ? { ...row, announced: true }
    : { ...row, announced: false, why: `${row.why}; not announced: ${why}` };
}

/** Returns why a node's BIRD tells nobody of its routes; undefined: it does. */
function whyUntold({ node, running, sessions, ripNeighbours }: NodeRouting): string | undefined {
  if (!running) return `BIRD of ${node} does not run`;
  const stands = sessions.some(({ state }) => state === "Established");
  return sessions.length === 0 || stands || ripNeighbours.length > 0
    ? undefined
    : `none of ${node}'s sessions stands`;
}

/** By which neighbour some node has learned a prefix. */
function heardBy(
  nodes: readonly NodeRouting[],
  prefix: string,
  through: Through,
): Pick<ClusterRow, "peer" | "through"> {
  for (const node of nodes) {
    const route = node.routes.find((one) => one.best && one.prefix === prefix && isHeard(one));
    if (route) return { peer: neighbourOf(node, route), through: protocolOf(route) };
  }
  return { peer: null, through };
}

function isHeard({ protocol }: BirdRoute): boolean {
  return protocol.startsWith("bgp_") || protocol.startsWith("rip");
}

function protocolOf({ protocol }: BirdRoute): "bgp" | "rip" {
  return protocol.startsWith("rip") ? "rip" : "bgp";
}

function neighbourOf(node: NodeRouting, route: BirdRoute): string | null {
  const session = node.sessions.find((one) => one.protocol === route.protocol);
  return session?.peer ?? route.from ?? route.via ?? null;
}

/** Who outside told a prefix first-hand, by prefix. */
function origins(nodes: readonly NodeRouting[]): ReadonlyMap<string, ReadonlySet<string>> {
  const out = new Map<string, Set<string>>();
  for (const node of nodes) {
    const outside = new Map(
      node.sessions.filter(({ peerNode }) => peerNode === null).map(({ protocol, peer }) => [protocol, peer]),
    );
    for (const { prefix, protocol } of node.routes) {
      const peer = outside.get(protocol);
      if (peer !== undefined) out.set(prefix, (out.get(prefix) ?? new Set()).add(peer));
    }
  }
  return out;
}

/** Returns the row of a route that came into the cluster from outside; undefined for all other routes. */
function outsideRoute(
  facts: ClusterFacts,
  node: NodeRouting,
  route: BirdRoute,
  first: ReadonlyMap<string, ReadonlySet<string>>,
): ClusterRow | undefined {
  if (!route.best || !isHeard(route)) return undefined;
  const rip = route.protocol.startsWith("rip");
  const marked = route.communities.some((one) => one.join() === OUTSIDE_MARK.join());
  if (rip ? isAnnounced(facts, route.prefix) : !marked) return undefined;
  const peer = neighbourOf(node, route);
  const direct = node.sessions.some((one) => one.protocol === route.protocol && one.peerNode === null);
  const told = first.get(route.prefix);
  const hop = route.nextHop !== undefined && told?.has(route.nextHop) ? route.nextHop : undefined;
  const announcedBy =
    (rip || direct ? peer : (hop ?? told?.values().next().value ?? route.nextHop ?? peer)) ?? "";
  return {
    prefix: route.prefix,
    announcedBy,
    via: route.nextHop ?? route.via ?? null,
    through: protocolOf(route),
    peer,
    pool: poolOf(facts, route.prefix),
    why: rip
      ? `told by ${announcedBy} by RIP`
      : `told by ${announcedBy}, AS path ${route.asPath.join(" ") || "empty"}`,
    accepted: true,
    outside: true,
  };
}

function isAnnounced(facts: ClusterFacts, prefix: string): boolean {
  return announced(facts).some((row) => row.prefix === prefix);
}

function refusedRow(
  facts: ClusterFacts,
  { prefix, peer, through, why }: NodeRouting["refused"][number],
): ClusterRow {
  return {
    prefix,
    announcedBy: peer,
    via: null,
    through,
    peer,
    pool: poolOf(facts, prefix),
    why: `refused: ${why}`,
    accepted: false,
    outside: true,
  };
}

function plannedRow(
  facts: ClusterFacts,
  name: string,
  plan: PlannedRoute,
  live: NodeRouting | undefined,
): NodeRow {
  const { route, because, handedOver, tunnel } = plan;
  const prefix = route.destination;
  const blackhole = route.type === "blackhole";
  const base = {
    prefix,
    type: blackhole ? ("blackhole" as const) : ("unicast" as const),
    announcedBy: "node" in because ? because.node : name,
    pool: poolOfReason(facts, because),
    accepted: true,
    outside: false,
  };
  const why = blackhole ? `${routeReason(plan)}; its pods have routes of their own` : routeReason(plan);
  const ours = live?.kernel.find((one) => same(one, prefix) && one.protocol === ROUTE_PROTOCOL);
  const birds = live?.kernel.find((one) => same(one, prefix) && one.protocol === BIRD_PROTOCOL);
  const present = handedOver ? (birds ?? ours) : ours;
  const heard = live?.routes.find((one) => one.best && one.prefix === prefix && isHeard(one));
  const byBird = handedOver && (birds !== undefined || ours === undefined);
  const planned = routingProtocols(facts).has("bgp") ? ("bgp" as const) : ("rip" as const);
  return {
    ...base,
    via: present?.via ?? route.via ?? null,
    dev: devOf(live, present),
    through: tunnel ? throughTunnel(tunnel.kind) : byBird ? (heard ? protocolOf(heard) : planned) : "direct",
    peer: byBird && heard && live ? neighbourOf(live, heard) : null,
    inKernel: present !== undefined,
    why:
      byBird && live && !heard
        ? `${why}; ${live.running ? "nobody has told it yet" : `BIRD of ${name} does not run`}`
        : why,
  };
}

function inKernel(live: NodeRouting, route: BirdRoute): Pick<NodeRow, "type" | "dev" | "inKernel" | "via"> {
  const present = live.kernel.find((one) => same(one, route.prefix) && one.protocol === BIRD_PROTOCOL);
  return {
    type: route.type === "unreachable" ? "unreachable" : "unicast",
    via: present?.via ?? route.via ?? null,
    dev: devOf(live, present) ?? route.interface ?? null,
    inKernel: present !== undefined,
  };
}

function same(route: Route, prefix: string): boolean {
  return route.destination === prefix;
}

function devOf(live: NodeRouting | undefined, route: Route | undefined): string | null {
  if (route?.linkIndex === undefined || route.type === "blackhole") return null;
  return live?.links.find(({ index }) => index === route.linkIndex)?.name ?? null;
}

function exportRows(facts: ClusterFacts, name: string, live: NodeRouting | undefined) {
  const peers = new Map<string, string[]>();
  for (const [peer, prefixes] of Object.entries(live?.exports ?? {}))
    for (const prefix of prefixes) peers.set(prefix, [...(peers.get(prefix) ?? []), peer]);
  const rows = new Map(announced(facts).map((row) => [row.prefix, row]));
  return [...peers]
    .map(([prefix, list]) => {
      const known = rows.get(prefix);
      const own = known?.announcedBy === name;
      const why = known ? (own ? known.why : `${known.why}; passed on`) : "passed on, or a range of Services";
      return { prefix, peers: list, why };
    })
    .toSorted(byPrefix);
}

function poolOfReason(facts: ClusterFacts, because: RouteReason): string | null {
  if ("pool" in because) return because.pool;
  return facts.blocks.get(because.block)?.spec.pool ?? null;
}

function poolOf(facts: ClusterFacts, prefix: string): string | null {
  const range = tryParseCidr(prefix);
  if (!range) return null;
  const found = [...facts.pools.values()].find((pool) => {
    const own = tryParseCidr(pool.spec.cidr);
    return own !== undefined && cidrCovers(own, range);
  });
  return found?.metadata.name ?? null;
}

function addressOf(facts: ClusterFacts, name: string, prefix: string): string | null {
  const node = facts.nodes.get(name);
  return (node && nodeAddress(facts, node, prefix.includes(":") ? 6 : 4)?.address) ?? null;
}

interface Sortable {
  readonly prefix: string;
  readonly announcedBy?: string;
}

/** By family, address and length, as a person would sort them; then by who announces it. */
function byPrefix(a: Sortable, b: Sortable): number {
  const [x, y] = [tryParseCidr(a.prefix), tryParseCidr(b.prefix)];
  if (!x || !y) return compare(a.prefix, b.prefix);
  const byRange =
    x.family - y.family || Number(x.base > y.base) - Number(x.base < y.base) || x.length - y.length;
  return byRange || compare(a.announcedBy ?? "", b.announcedBy ?? "");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
