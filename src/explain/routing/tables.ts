// Routes as people ask for them: what is planned, put beside what nodes have, for the cluster or for one node.
import { cidrCovers, tryParseCidr } from "../../base/ip.ts";
import { BIRD_PROTOCOL, OUTSIDE_MARK } from "../../bird/config/types.ts";
import type { BirdRoute } from "../../bird/read/routes.ts";
import { ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { routingProtocols, routingSettings } from "../../plan/routing/bird/settings.ts";
import { nodeAddress } from "../../plan/routing/node-address.ts";
import { type PlannedRoute, planRoutes, type RouteReason } from "../../plan/routing/plan-routes.ts";
import { isCard, tunnelMtus, usedTunnels } from "../../plan/routing/tunnel-settings.ts";
import { routeReason } from "../way/way.ts";
import { announced } from "./announced.ts";
import { heardPrefixes, isHeard, neighbourOf, origins, protocolOf } from "./heard.ts";
import { routingProblems } from "./problems.ts";
import type { ClusterRow, NodeRouting } from "./types.ts";
import { type Through, throughTunnel } from "./ways.ts";

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
  const all = announced(facts);
  const heardBy = heardPrefixes(nodes);
  for (const row of all)
    put(
      isBirds(row.through) ? { ...toldOf(row, live.get(row.announcedBy)), ...heardBy.get(row.prefix) } : row,
    );
  const ours = new Set(all.map(({ prefix }) => prefix));
  const first = origins(nodes);
  for (const node of nodes) {
    for (const route of node.routes) {
      const heard = outsideRoute(facts, node, route, { first, ours });
      if (heard) put(heard);
    }
    for (const one of node.refused) put(refusedRow(facts, one));
  }
  return [...rows.values()].toSorted(byPrefix);
}

/** Returns the rows of one node, and what it tells to whom. `live`: undefined where its agent does not answer. */
export function nodeTable(facts: ClusterFacts, name: string, live: NodeRouting | undefined) {
  const plan = planRoutes(facts, name);
  const has = live && possessionsOf(live);
  const rows: NodeRow[] = plan.routes.map((planned) => plannedRow(facts, name, planned, has));
  const known = new Set(rows.map(({ prefix }) => prefix));
  const all = new Map(announced(facts).map((row) => [row.prefix, row]));
  const first = origins(live ? [live] : []);
  for (const route of live?.routes ?? []) {
    const heard =
      live && !known.has(route.prefix) ? outsideRoute(facts, live, route, { first, ours: all }) : undefined;
    if (heard && has) rows.push({ ...heard, ...inKernel(has, route) });
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
    exports: exportRows(all, name, live),
    problems: [
      ...plan.problems,
      ...(live ? routingProblems(facts, live) : []).map(({ object, message, code }) => ({
        prefix: object,
        node: name,
        why: code,
        message,
      })),
    ],
  };
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

interface Known {
  /** Who outside told a prefix first-hand. */
  readonly first: ReadonlyMap<string, ReadonlySet<string>>;
  /** Prefixes that the cluster's nodes announce. */
  readonly ours: { has(prefix: string): boolean };
}

/** Returns the row of a route that came into the cluster from outside; undefined for all other routes. */
function outsideRoute(
  facts: ClusterFacts,
  node: NodeRouting,
  route: BirdRoute,
  { first, ours }: Known,
): ClusterRow | undefined {
  if (!route.best || !isHeard(route)) return undefined;
  const rip = route.protocol.startsWith("rip");
  const marked = route.communities.some((one) => one.join() === OUTSIDE_MARK.join());
  if (rip ? ours.has(route.prefix) : !marked) return undefined;
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
  has: Possessions | undefined,
): NodeRow {
  const live = has?.live;
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
  const ours = has?.ours.get(prefix);
  const birds = has?.birds.get(prefix);
  const present = handedOver ? (birds ?? ours) : ours;
  const heard = has?.heard.get(prefix);
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

/** What a node has, by prefix. */
interface Possessions {
  readonly live: NodeRouting;
  /** Routes of the kernel, by who made them. */
  readonly ours: ReadonlyMap<string, Route>;
  readonly birds: ReadonlyMap<string, Route>;
  /** What BIRD has chosen of what it has heard. */
  readonly heard: ReadonlyMap<string, BirdRoute>;
}

function possessionsOf(live: NodeRouting): Possessions {
  // The first of a prefix counts: the kernel lists those of lower metric first.
  const of = (protocol: number) =>
    new Map(
      live.kernel
        .filter((one) => one.protocol === protocol)
        .map((one) => [one.destination, one] as const)
        .toReversed(),
    );
  const heard = live.routes.filter((one) => one.best && isHeard(one));
  return {
    live,
    ours: of(ROUTE_PROTOCOL),
    birds: of(BIRD_PROTOCOL),
    heard: new Map(heard.map((one) => [one.prefix, one] as const).toReversed()),
  };
}

function inKernel(
  { live, birds }: Possessions,
  route: BirdRoute,
): Pick<NodeRow, "type" | "dev" | "inKernel" | "via"> {
  const present = birds.get(route.prefix);
  return {
    type: route.type === "unreachable" ? "unreachable" : "unicast",
    via: present?.via ?? route.via ?? null,
    dev: devOf(live, present) ?? route.interface ?? null,
    inKernel: present !== undefined,
  };
}

function devOf(live: NodeRouting | undefined, route: Route | undefined): string | null {
  if (route?.linkIndex === undefined || route.type === "blackhole") return null;
  return live?.links.find(({ index }) => index === route.linkIndex)?.name ?? null;
}

function exportRows(
  announcedRows: ReadonlyMap<string, ClusterRow>,
  name: string,
  live: NodeRouting | undefined,
) {
  const peers = new Map<string, string[]>();
  for (const [peer, prefixes] of Object.entries(live?.exports ?? {}))
    for (const prefix of prefixes) {
      const list = peers.get(prefix);
      if (list) list.push(peer);
      else peers.set(prefix, [peer]);
    }
  const heard = heardPrefixes(live ? [live] : []);
  return [...peers]
    .map(([prefix, list]) => {
      const known = announcedRows.get(prefix);
      const from = heard.get(prefix)?.peer;
      const why = known
        ? `${known.why}${known.announcedBy === name ? "" : "; passed on"}`
        : from == null
          ? "a range of Services"
          : `told by ${from}; passed on`;
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
