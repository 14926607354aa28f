// Which pools a pod or a node may use by the pools' own words: selectors, mode, uses.

import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { calicoSelector } from "../../api/selectors/calico-selector.ts";
import type { Labels } from "../../api/selectors/selectors.ts";
import { textOf } from "../../base/errors.ts";
import { type Family, familyBits, tryParseCidr } from "../../base/ip.ts";
import type { PoolRange } from "../../ipam/types.ts";
import type { ClusterFacts } from "../facts.ts";

export type PoolUse = "Workload" | "Tunnel";

const defaultBlockSize = { 4: 26, 6: 122 } as const;

type Range = PoolRange & { readonly family: Family };

interface Reading {
  readonly range: Range | string;
  readonly byNode: Selector;
  readonly byNamespace: Selector;
}

/** Says whether labels fit, or why the selector cannot be read. */
type Selector = (labels: Labels | undefined) => boolean | string;

/** Every ADD asks every pool, and an object is never changed in place. */
const readings = new WeakMap<IPPool, Reading>();

function readingOf(pool: IPPool): Reading {
  const known = readings.get(pool);
  if (known) return known;
  const { nodeSelector, namespaceSelector } = pool.spec;
  const reading = {
    range: readRange(pool),
    byNode: readSelector(nodeSelector),
    byNamespace: readSelector(namespaceSelector),
  };
  readings.set(pool, reading);
  return reading;
}

/** Returns a pool as the allocator needs it, or why it cannot be used at all. */
export function poolRange(pool: IPPool): Range | string {
  return readingOf(pool).range;
}

function readRange(pool: IPPool): Range | string {
  const cidr = tryParseCidr(pool.spec.cidr);
  if (!cidr) return `its cidr '${pool.spec.cidr}' is not a range`;
  const wanted = pool.spec.blockSize ?? defaultBlockSize[cidr.family];
  if (wanted > familyBits(cidr.family)) return `its blockSize ${wanted} is no prefix length`;
  // A pool smaller than a block is one block.
  const blockSize = Math.max(wanted, cidr.length);
  return { name: pool.metadata.name, cidr: pool.spec.cidr, blockSize, family: cidr.family };
}

/** Returns why a pool gives nothing even to those who name it; undefined if it may. */
export function whyClosed(pool: IPPool, use: PoolUse): string | undefined {
  const range = poolRange(pool);
  if (typeof range === "string") return range;
  if (pool.metadata.deletionTimestamp !== undefined) return "it is being deleted";
  if (pool.spec.disabled) return "it is disabled";
  const uses = pool.spec.allowedUses ?? ["Workload", "Tunnel"];
  if (!uses.includes(use)) return `its allowedUses are ${uses.join(", ")}, not ${use}`;
  return undefined;
}

/** Returns why a pool's selectors or mode do not offer it by itself; undefined if they do. */
export function whyNotOffered(
  pool: IPPool,
  node: { readonly name: string; readonly labels?: Labels },
  namespace?: { readonly name: string; readonly labels?: Labels },
): string | undefined {
  if (pool.spec.assignmentMode === "Manual")
    return "its assignmentMode is Manual: it has to be asked for by name";
  const byNode = readingOf(pool).byNode(node.labels);
  if (typeof byNode === "string") return `its nodeSelector cannot be read: ${byNode}`;
  if (!byNode) return `its nodeSelector ${pool.spec.nodeSelector} does not select node ${node.name}`;
  if (!namespace) return undefined;
  const byNamespace = readingOf(pool).byNamespace(namespace.labels);
  if (typeof byNamespace === "string") return `its namespaceSelector cannot be read: ${byNamespace}`;
  if (!byNamespace)
    return `its namespaceSelector ${pool.spec.namespaceSelector} does not select namespace ${namespace.name}`;
  return undefined;
}

function readSelector(selector: string | undefined): Selector {
  try {
    return calicoSelector(selector ?? "all()");
  } catch (error) {
    // A bad selector makes its own pool unusable and no other; the reason is told.
    const why = textOf(error);
    return () => why;
  }
}

/** Returns the names of the pools that a node may claim blocks of for pods of some namespace. */
export function poolsOfNode(facts: ClusterFacts, node: string): ReadonlySet<string> {
  const labels = facts.nodes.get(node)?.metadata.labels;
  const self = { name: node, ...(labels ? { labels } : {}) };
  const open = [...facts.pools.values()].filter(
    (pool) =>
      !whyClosed(pool, "Workload") && (pool.spec.assignmentMode === "Manual" || !whyNotOffered(pool, self)),
  );
  return new Set(open.map((pool) => pool.metadata.name));
}
