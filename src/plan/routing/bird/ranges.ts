// The cluster's ranges as BIRD has to know them: of pools and of Services, and what nobody outside may announce.
import type { Node } from "../../../api/kinds/core.ts";
import type { IPPool } from "../../../api/kinds/ip-pool.ts";
import {
  type Cidr,
  cidrOf,
  type Family,
  familyBits,
  formatCidr,
  tryParseCidr,
  tryParseIp,
} from "../../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../facts.ts";
import { readServiceRanges } from "../../snat/ranges.ts";
import { networksOf } from "../node-address.ts";
import type { Guard } from "./filters.ts";
import { bgpSettings } from "./settings.ts";

export interface PoolRange {
  readonly pool: IPPool;
  readonly cidr: string;
}

/** Returns the pools of a family. */
export function poolsOf(facts: ClusterFacts, family: Family): PoolRange[] {
  return [...facts.pools.values()].flatMap((pool) => {
    const range = tryParseCidr(pool.spec.cidr);
    return range?.family === family ? [{ pool, cidr: formatCidr(range) }] : [];
  });
}

/** Returns the ranges of Services that nodes announce. */
export function serviceRanges(facts: ClusterFacts, family: Family): string[] {
  const { serviceClusterIPs = [], serviceExternalIPs = [], serviceLoadBalancerIPs = [] } = bgpSettings(facts);
  return unique(
    [...serviceClusterIPs, ...serviceExternalIPs, ...serviceLoadBalancerIPs]
      .map(({ cidr }) => cidr)
      .filter((cidr) => tryParseCidr(cidr)?.family === family),
  );
}

/** Returns what nobody outside may announce, with whose it is. */
export function guardsOf(facts: ClusterFacts, family: Family): Guard[] {
  const out = poolGuards(facts, family);
  for (const node of facts.nodes.values())
    for (const guard of nodeGuards(node)) if (guard.range.family === family) out.push(guard);
  return [...out, ...serviceGuards(facts, family)];
}

/**
 * Returns the ranges of `guardsOf` that lie in no other of them, sorted: whoever refuses a range with all that is in it and all
 * that covers it has refused those in it, too. So a node that comes into a network that is known changes nothing.
 * @param before an earlier answer: returned itself where it is the same
 */
export function guardedRanges(
  facts: ClusterFacts,
  family: Family,
  before: readonly string[] = [],
): readonly string[] {
  const bits = familyBits(family);
  const wide = new Map<string, Cidr>();
  const single = new Map<string, Cidr>();
  const add = (cidr: string, range: Cidr) => {
    (range.length === bits ? single : wide).set(cidr, range);
  };
  for (const { cidr } of [...poolGuards(facts, family), ...serviceGuards(facts, family)]) {
    const range = tryParseCidr(cidr);
    if (range) add(cidr, range);
  }
  for (const node of facts.nodes.values())
    for (const { cidr, range } of nodeGuards(node)) if (range.family === family) add(cidr, range);
  const known = new Set(before);
  const bases = basesByLength(wide.values(), bits);
  let count = 0;
  let isSame = true;
  const out: string[] = [];
  for (const list of [wide, single])
    for (const [cidr, range] of list) {
      if (liesInOther(range, bases, bits)) continue;
      count++;
      isSame &&= known.has(cidr);
      out.push(cidr);
    }
  return isSame && count === known.size ? before : out.toSorted();
}

/** Of a length the first bits of each range of that length. */
type Bases = ReadonlyMap<number, ReadonlySet<bigint>>;

function basesByLength(ranges: Iterable<Cidr>, bits: number): Bases {
  const out = new Map<number, Set<bigint>>();
  for (const { base, length } of ranges) {
    const bases = out.get(length) ?? new Set();
    out.set(length, bases.add(base >> BigInt(bits - length)));
  }
  return out;
}

function liesInOther({ base, length }: Cidr, bases: Bases, bits: number): boolean {
  for (const [shorter, known] of bases)
    if (shorter < length && known.has(base >> BigInt(bits - shorter))) return true;
  return false;
}

function poolGuards(facts: ClusterFacts, family: Family): Guard[] {
  return poolsOf(facts, family).map(({ cidr, pool }) => ({ cidr, of: `pool ${pool.metadata.name}` }));
}

/** Those that nodes announce, and those that the cluster has. */
function serviceGuards(facts: ClusterFacts, family: Family): Guard[] {
  const known = readServiceRanges(facts).filter((range) => range.family === family);
  return [...serviceRanges(facts, family), ...known.map(formatCidr)].map((cidr) => ({
    cidr,
    of: "the Services",
  }));
}

interface NodeGuard extends Guard {
  readonly range: Cidr;
}

/** By object, which is replaced and never written to. */
const guardsOfNodes = new WeakMap<Node, readonly NodeGuard[]>();

/** Returns the networks and addresses of a node, which nobody outside may announce. */
function nodeGuards(node: Node): readonly NodeGuard[] {
  const before = guardsOfNodes.get(node);
  if (before) return before;
  const of = `node ${node.metadata.name}`;
  const known = networksOf(node);
  const single = nodeIps(node)
    .filter((address) => !known.some((one) => one.address === address))
    .map((address) => ({ address, length: undefined }));
  const guards = [...known, ...single].flatMap(({ address, length }): NodeGuard[] => {
    const ip = tryParseIp(address);
    if (!ip) return [];
    const range = cidrOf(ip, length ?? familyBits(ip.family));
    return [{ range, cidr: formatCidr(range), of: length === undefined ? of : `the network of ${of}` }];
  });
  guardsOfNodes.set(node, guards);
  return guards;
}

export function unique(list: readonly string[]): string[] {
  return [...new Set(list)].toSorted();
}
