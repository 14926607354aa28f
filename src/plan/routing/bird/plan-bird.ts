// What a node's BIRD is to do. A pure function of the objects and of the node's links.
import { isDeepStrictEqual } from "node:util";

import { parseCommunity } from "../../../api/bgp-words.ts";
import type { Node } from "../../../api/kinds/core.ts";
import {
  cidrOf,
  type Family,
  familyBits,
  formatCidr,
  formatIp,
  tryParseCidr,
  tryParseIp,
} from "../../../base/ip.ts";
import type { BirdConfig, FamilyConfig, RipConfig, SessionConfig } from "../../../bird/config/types.ts";
import { isQuotable } from "../../../bird/config/words.ts";
import { type ClusterFacts, nodeIps } from "../../facts.ts";
import { blockRange } from "../block-range.ts";
import { networksOf, nodeAddress } from "../node-address.ts";
import { rulesFor } from "./filters.ts";
import { guardedRanges, poolsOf, serviceRanges, unique } from "./ranges.ts";
import { type Session, sessionsAfter, sessionsOf } from "./sessions.ts";
import {
  bgpSettings,
  ignoredInterfaces,
  isHandedOver,
  namePattern,
  passwordOf,
  routingProtocols,
  routingSettings,
  secondsOf,
} from "./settings.ts";

/** How long a restarted BIRD waits for its neighbours, in seconds. Copies of the routes wait longer (see route-holds.ts). */
const RESTART_WAIT = 10;
/** Nodes with this label announce no ranges of Services. */
const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";

export interface NodeLink {
  readonly name: string;
  /** Without lengths. */
  readonly addresses: readonly string[];
}

export interface BirdPlan {
  /** Undefined: the node has no use for BIRD. */
  readonly config: BirdConfig | undefined;
  readonly sessions: readonly Session[];
}

/** Plans one node's BIRD. `links`: those that are no pods', with their addresses. */
export function planBird(facts: ClusterFacts, name: string, links: readonly NodeLink[]): BirdPlan {
  const node = facts.nodes.get(name);
  const protocols = routingProtocols(facts);
  if (!node || protocols.size === 0) return { config: undefined, sessions: [] };
  const sessions = sessionsOf(facts, name);
  const families = ([4, 6] as const)
    .filter((family) => nodeAddress(facts, node, family) !== undefined)
    .map((family) => planFamily(facts, node, family, sessions, links));
  return {
    config: {
      routerId: routerId(facts, node),
      restartWait: RESTART_WAIT,
      ignoredInterfaces: ignoredInterfaces(facts),
      families,
    },
    sessions,
  };
}

/**
 * Returns the plan once blocks have changed, and nothing else since `before` was made; `before` itself where they make no
 * difference to this node, as most of thousands of blocks do not.
 */
export function withBlocks(before: BirdPlan, facts: ClusterFacts, name: string): BirdPlan {
  const { config } = before;
  if (!config) return before;
  let differs = false;
  const families = config.families.map((family) => {
    const fresh = blockParts(facts, name, family);
    if (
      isDeepStrictEqual(fresh, { own: family.own, ownNotByBgp: family.ownNotByBgp, known: family.rip?.known })
    )
      return family;
    differs = true;
    const { known, ...rest } = fresh;
    return { ...family, ...rest, ...(family.rip && known && { rip: { ...family.rip, known } }) };
  });
  return differs ? { ...before, config: { ...config, families } } : before;
}

/**
 * Returns the plan once those other nodes have come, changed or gone, and nothing else since `before` was made; `before` itself
 * where they make no difference to this node, as mostly where it speaks with reflectors and others share its network. The
 * whole costs ten times as much where there are thousands.
 */
export function withNodes(
  before: BirdPlan,
  facts: ClusterFacts,
  name: string,
  others: ReadonlySet<string>,
): BirdPlan {
  const { config } = before;
  if (!config) return before;
  const sessions = sessionsAfter(facts, name, before.sessions, others);
  const families = config.families.map((family) => {
    const { guarded, rip } = family;
    const mine = sessions.filter((one) => one.family === family.family && one.held === undefined);
    const known = rip && knownByRip(facts, name, family.family);
    const fresh = guardedRanges(facts, family.family, guarded);
    const isSame = sessions === before.sessions && fresh === guarded && isDeepStrictEqual(known, rip?.known);
    if (isSame) return family;
    const kept = new Map(family.sessions.map((one) => [one.name, one]));
    const unchanged = new Set(before.sessions);
    return {
      ...family,
      guarded: fresh,
      gateways: uniqueGateways(mine),
      sessions: mine.map(
        (one) => (unchanged.has(one) && kept.get(one.protocol)) || sessionConfig(facts, one),
      ),
      ...(rip && known && { rip: { ...rip, known } }),
    };
  });
  const differs = families.some((family, at) => family !== config.families[at]);
  return differs || sessions !== before.sessions ? { config: { ...config, families }, sessions } : before;
}

/** What blocks decide of the configuration of a family. */
function blockParts(
  facts: ClusterFacts,
  name: string,
  { family, rip }: { readonly family: Family; readonly rip?: unknown },
) {
  const own = announcedBy(facts, name, family);
  const hidden = own.filter(({ pool }) => facts.pools.get(pool)?.spec.disableBGPExport === true);
  return {
    own: prefixesOf(own),
    ownNotByBgp: prefixesOf(hidden),
    known: rip === undefined ? undefined : knownByRip(facts, name, family),
  };
}

function prefixesOf(list: readonly Announcement[]): string[] {
  return unique(list.map(({ prefix }) => prefix));
}

/** Returns what other nodes tell by RIP. */
function knownByRip(facts: ClusterFacts, name: string, family: Family): string[] {
  return prefixesOf(announcements(facts, family, (other) => other !== name && facts.nodes.has(other)));
}

function planFamily(
  facts: ClusterFacts,
  node: Node,
  family: Family,
  sessions: readonly Session[],
  links: readonly NodeLink[],
): FamilyConfig {
  const { name } = node.metadata;
  const mine = sessions.filter((one) => one.family === family && one.held === undefined);
  const pools = poolsOf(facts, family);
  const direct = pools.filter(({ pool }) => pool.spec.disableBGPExport === true).map(({ cidr }) => cidr);
  const services = serviceRanges(facts, family);
  const excluded = node.metadata.labels?.[EXCLUDE_LABEL] !== undefined;
  const rip = planRip(facts, node, family, links);
  const { own, ownNotByBgp } = blockParts(facts, name, { family });
  return {
    family,
    own,
    ownNotByBgp,
    services: excluded ? [] : services,
    guarded: guardedRanges(facts, family),
    notInKernel: unique([
      ...services,
      ...pools.filter(({ pool }) => !isHandedOver(facts, pool, node)).map(({ cidr }) => cidr),
    ]),
    notByBgp: unique(direct),
    marks: marksOf(facts, family),
    gateways: uniqueGateways(mine),
    sessions: mine.map((session) => sessionConfig(facts, session)),
    ...(rip && { rip }),
  };
}

function sessionConfig(facts: ClusterFacts, session: Session): SessionConfig {
  const { localAddress, nextHop } = session;
  return {
    name: session.protocol,
    peer: session.peer,
    port: session.port,
    localAddress,
    localPort: session.localPort,
    strictBind: bgpSettings(facts).bindMode === "NodeIP" && localAddress !== undefined,
    localAS: session.localAS,
    peerAS: session.peerAS,
    password: session.password,
    passive: session.passive,
    client: session.client,
    clusterId: session.localAS === session.peerAS ? session.clusterId : undefined,
    nextHop: nextHop === "self" ? "self" : "keep",
    ttlSecurity: session.ttlSecurity,
    restartTime: session.restartTime,
    allowedLocalAS: session.allowedLocalAS,
    outside: session.peerNode === undefined,
    import: rulesFor(facts, session, "import"),
    export: rulesFor(facts, session, "export"),
  };
}

export interface Announcement {
  readonly prefix: string;
  readonly pool: string;
  readonly block: string;
  /** The node that lent the one address, where it is one. */
  readonly lender?: string;
}

/** Returns what a node announces of pods' ranges: its confirmed blocks, and single addresses that others lent to it. */
export function announcedBy(facts: ClusterFacts, node: string, family: Family): Announcement[] {
  return announcements(facts, family, (name) => name === node);
}

/** Returns what all nodes that are meant announce, in one pass over the blocks. */
function announcements(
  facts: ClusterFacts,
  family: Family,
  isMeant: (node: string) => boolean,
): Announcement[] {
  const out: Announcement[] = [];
  for (const block of facts.blocks.values()) {
    const { spec, metadata } = block;
    if (!isMeant(spec.node) && (spec.loans === undefined || spec.loans.length === 0)) continue;
    const own = blockRange(block);
    if (own?.range.family !== family) continue;
    const common = { pool: spec.pool, block: metadata.name };
    if (spec.state !== "pending" && isMeant(spec.node)) out.push({ ...common, prefix: own.text });
    for (const loan of spec.loans ?? []) {
      const ip = tryParseIp(loan.address);
      if (!ip || loan.returned === true || spec.node === loan.node || !isMeant(loan.node)) continue;
      out.push({ ...common, prefix: formatCidr(cidrOf(ip, familyBits(family))), lender: spec.node });
    }
  }
  return out.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

function marksOf(facts: ClusterFacts, family: Family): FamilyConfig["marks"] {
  const { communities = [], prefixAdvertisements = [] } = bgpSettings(facts);
  const named = new Map(communities.map(({ name, value }) => [name, value]));
  return prefixAdvertisements
    .filter(({ cidr }) => tryParseCidr(cidr)?.family === family)
    .map(({ cidr, communities: list = [] }) => ({
      cidr,
      communities: list
        .map((one) => parseCommunity(named.get(one) ?? one))
        .filter((one) => one !== undefined),
    }));
}

function uniqueGateways(sessions: readonly Session[]): FamilyConfig["gateways"] {
  const found = new Map<string, string>();
  // An API server takes any text for it.
  for (const { peer, family, reachableBy = "" } of sessions)
    if (tryParseIp(reachableBy)?.family === family && !found.has(peer)) found.set(peer, reachableBy);
  return [...found].map(([address, via]) => ({ address, via }));
}

function planRip(
  facts: ClusterFacts,
  node: Node,
  family: Family,
  links: readonly NodeLink[],
): RipConfig | undefined {
  if (!routingProtocols(facts).has("rip")) return undefined;
  const settings = routingSettings(facts).rip ?? {};
  const password = passwordOf(facts, settings.password);
  // Without the password that was asked for nobody is spoken to.
  if (password.state === "missing") return undefined;
  const addresses = new Set([...nodeIps(node), ...networksOf(node).map((one) => one.address)]);
  const patterns = settings.interfaces?.flatMap((text) => namePattern(text) ?? []);
  const interfaces = links
    .filter((link) =>
      patterns
        ? patterns.some((pattern) => pattern.test(link.name))
        : link.addresses.some((address) => addresses.has(address)),
    )
    .map((link) => link.name)
    .filter(isQuotable);
  if (interfaces.length === 0) return undefined;
  return {
    interfaces: unique(interfaces),
    updateTime: secondsOf(settings.updateTime, 5),
    timeoutTime: secondsOf(settings.timeoutTime, 15),
    garbageTime: secondsOf(settings.garbageTime, 10),
    password: password.state === "known" ? password.text : undefined,
    known: knownByRip(facts, node.metadata.name, family),
  };
}

/** BGP's identifier is an IPv4 address (RFC 6286: any number but 0); a node without one gets one from its IPv6 address. */
function routerId(facts: ClusterFacts, node: Node): string {
  const v4 = nodeAddress(facts, node, 4)?.address;
  if (v4 !== undefined) return v4;
  const v6 = tryParseIp(nodeAddress(facts, node, 6)?.address ?? "");
  const value = (v6?.value ?? 1n) & 0xffff_ffffn || 1n;
  return formatIp({ family: 4, value });
}
