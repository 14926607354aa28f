// Which addresses are pods', which are services', read from pools, nodes and the settings that name them.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { type Cidr, cidrCovers, cidrRange, formatCidr, tryParseCidr } from "../../base/ip.ts";
import type { ClusterFacts } from "../facts.ts";
import { layered, unionOf } from "./intervals.ts";
import type { Base, ConfigStatus, PerFamily, SnatPlan } from "./types.ts";

/** Returns whether addresses of the pool can be pods' or nodes' (a pool for load balancers alone has none). */
export function isServing(pool: IPPool): boolean {
  const uses = pool.spec.allowedUses;
  return uses === undefined || uses.length === 0 || uses.some((use) => use !== "LoadBalancer");
}

export interface PodRange {
  readonly cidr: Cidr;
  readonly pool?: IPPool;
  /** Such as `IPPool/pods`. */
  readonly object: string;
}

/** An object is never changed in place. */
const blockRanges = new WeakMap<AddressBlock, Cidr>();

/**
 * Returns the blocks that are in no pool any more, by range: their pool was deleted while pods have addresses of them. As
 * long as they are there, those are pods' addresses.
 */
export function leftBlocks(facts: ClusterFacts): { readonly cidr: Cidr; readonly object: string }[] {
  const pools = [...facts.pools.values()].flatMap((pool) => (isServing(pool) ? rangeOf(pool.spec.cidr) : []));
  const left = new Map<string, AddressBlock>();
  for (const [name, block] of facts.blocks) {
    const cidr = rangeOfBlock(block);
    if (cidr !== undefined && !pools.some((pool) => cidrCovers(pool, cidr))) left.set(name, block);
  }
  return byName(left).flatMap((block) => {
    const cidr = rangeOfBlock(block);
    return cidr === undefined ? [] : [{ cidr, object: `AddressBlock/${block.metadata.name}` }];
  });
}

/** Returns, sorted, the ranges that pods of pools have their addresses from: the pools', and blocks that pools have left. */
export function poolRanges(facts: ClusterFacts): string[] {
  const pools = [...facts.pools.values()].flatMap(({ spec }) => rangeOf(spec.cidr));
  const left = leftBlocks(facts).map(({ cidr }) => cidr);
  return [...pools, ...left].map(formatCidr).toSorted();
}

function rangeOfBlock(block: AddressBlock): Cidr | undefined {
  const cidr = blockRanges.get(block) ?? tryParseCidr(block.spec.cidr);
  if (cidr !== undefined) blockRanges.set(block, cidr);
  return cidr;
}

function rangeOf(text: string): Cidr[] {
  const cidr = tryParseCidr(text);
  return cidr === undefined ? [] : [cidr];
}

/**
 * Returns every range that pods' addresses come from: pools (disabled ones too, as in Calico), nodes' podCIDRs, and what is
 * left of pools that were deleted.
 */
export function readPodRanges(facts: ClusterFacts): PodRange[] {
  const out: PodRange[] = [];
  for (const pool of byName(facts.pools)) {
    const cidr = tryParseCidr(pool.spec.cidr);
    // A pool with a bad range is reported on the pool itself.
    if (cidr && isServing(pool)) out.push({ cidr, pool, object: `IPPool/${pool.metadata.name}` });
  }
  // Of overlapping pools the narrower one decides; pools decide before nodes' ranges.
  out.sort((a, b) => b.cidr.length - a.cidr.length);
  for (const node of byName(facts.nodes)) {
    for (const text of node.spec?.podCIDRs ?? []) {
      const cidr = tryParseCidr(text);
      if (cidr) out.push({ cidr, object: `Node/${node.metadata.name}` });
    }
  }
  out.push(...leftBlocks(facts));
  return out;
}

/** Returns what a pool, or a range without one, asks for: rows pool-off to nothing of the table. */
export function baseOf(pool: IPPool | undefined, object: string, config: ConfigStatus, family: 4 | 6): Base {
  if (pool?.spec.natOutgoing === false) return { type: "none", row: "pool-off", object };
  if (config.config && (family === 4 || config.config.ipv6)) {
    return { type: "config", row: "config-others", object: "ConfigMap/kube-system/ip-masq-agent" };
  }
  if (pool?.spec.natOutgoing === true) return { type: "masquerade", row: "pool-on", object };
  return { type: "none", row: "nothing", object };
}

/** Returns sources and destinations that are pods', per family. */
export function podRanges(
  facts: ClusterFacts,
  config: ConfigStatus,
): Pick<SnatPlan, "inside" | "ranges" | "subnets"> {
  const read = readPodRanges(facts);
  const inside = read.map(({ cidr }) => cidrRange(cidr));
  const ofSubnets = byName(facts.subnets).flatMap(({ metadata, spec }) =>
    rangeOf(spec.cidr).map((cidr): PodRange => ({ cidr, object: `Subnet/${metadata.name}` })),
  );
  const segments = (list: readonly PodRange[], family: 4 | 6) => {
    // Equal bases are one value, so that neighbouring ranges join.
    const bases = new Map<string, Base>();
    const layers = list
      .filter(({ cidr }) => cidr.family === family)
      .map(({ cidr, pool, object }) => {
        const base = baseOf(pool, object, config, family);
        const key = `${base.type} ${base.row} ${base.object}`;
        const value = bases.get(key) ?? base;
        bases.set(key, value);
        return { ranges: [cidrRange(cidr)], value };
      });
    return layered(layers, family);
  };
  return {
    inside: perFamily((family) => unionOf(inside, family)),
    ranges: perFamily((family) => segments(read, family)),
    subnets: perFamily((family) => segments(ofSubnets, family)),
  };
}

/** The ConfigMap that names the services' ranges. */
export const SERVICE_CONFIG_MAP = "kube-system/eni-config";

/** Returns the services' ranges: those of ServiceCIDR objects, and eni-config's `service_cidr`. */
export function readServiceRanges(facts: ClusterFacts): Cidr[] {
  const text = facts.configMaps.get(SERVICE_CONFIG_MAP)?.data?.["eni_conf"];
  // The setting's own reader reports what is wrong with it; here a broken one only means: not known.
  const found = /"service_cidr"\s*:\s*"([^"]*)"/.exec(text ?? "")?.[1];
  const objects = byName(facts.serviceCidrs).flatMap(({ spec }) => spec?.cidrs ?? []);
  const texts = new Set([...objects, ...(found ?? "").split(",").map((part) => part.trim())]);
  return [...texts].flatMap((text) => tryParseCidr(text) ?? []);
}

export function perFamily<T>(make: (family: 4 | 6) => T): PerFamily<T> {
  return { 4: make(4), 6: make(6) };
}

/** Objects in the order of their keys, so that plans do not depend on the order of arrival. */
export function byName<T>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, object]) => object);
}
