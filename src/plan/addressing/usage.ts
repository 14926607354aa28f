// How full pools, blocks and nodes are, and who holds what: what `ipam show` prints.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { cidrSize, hostRange, parseCidr, tryParseCidr } from "../../base/ip.ts";
import { defaultSettings } from "../../ipam/context.ts";
import type { Ledger } from "../../ipam/ledger.ts";
import { tunnelDeviceOf } from "../../ipam/tunnel-owner.ts";
import type { Clock } from "../../ipam/types.ts";
import type { ClusterFacts } from "../facts.ts";

/** Sizes are texts: an IPv6 pool has more addresses than a JSON number can say. */
export interface PoolUsage {
  readonly pool: string;
  readonly cidr: string;
  readonly size: string;
  readonly used: number;
  readonly cooling: number;
  readonly free: string;
  readonly blocks: number;
  /** Blocks that no node has claimed. */
  readonly unclaimed: string;
}

export interface BlockUsage {
  readonly block: string;
  readonly pool: string;
  readonly node: string;
  readonly state: string;
  readonly size: number;
  readonly used: number;
  readonly lent: number;
  readonly cooling: number;
  readonly free: number;
  /** Whether the figures are from the owner's journal, or what it last wrote into the store. */
  readonly source: "journal" | "store";
}

export interface HeldBy {
  readonly address: string;
  readonly node: string;
  /** `namespace/name`; empty for the node's own, and where nobody knows. */
  readonly pod: string;
  /** What it is for: a pod, or the node's own tunnel device. */
  readonly use: "pod" | "tunnel";
  readonly uid: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly seq: number;
  /** RFC 3339 */
  readonly since: string;
  readonly pool: string;
  readonly block: string;
  readonly borrowed: boolean;
}

export interface Usage {
  readonly pools: readonly PoolUsage[];
  readonly blocks: readonly BlockUsage[];
  readonly addresses: readonly HeldBy[];
}

/** Puts together objects and journals. `clock`, of the machine whose journals they are, decides which freed addresses still rest. */
export function usageOf(
  facts: ClusterFacts,
  ledgers: ReadonlyMap<string, Ledger>,
  clock: Omit<Clock, "sleep">,
): Usage {
  // Of what is no range nobody has addresses; `checkAddresses` tells of it.
  const blocks = [...facts.blocks.values()].flatMap((block) => {
    if (!tryParseCidr(block.spec.cidr)) return [];
    const ledger = ledgers.get(block.spec.node);
    const own = ledger?.blocks.get(block.metadata.uid);
    const figures = own?.figures(
      ledger?.timeOf(clock) ?? 0,
      ledger?.cooldownMs ?? defaultSettings.cooldownMs,
    );
    return [blockUsage(block, figures)];
  });
  return {
    pools: poolUsages(facts, blocks),
    blocks: blocks.toSorted((a, b) => compareRanges(a.block, b.block)),
    addresses: [...ledgers].flatMap(([node, ledger]) => heldBy(node, ledger)).toSorted(byAddress),
  };
}

function blockUsage(
  block: AddressBlock,
  figures: { used: number; lent: number; free: number; cooling: number } | undefined,
): BlockUsage {
  const { cidr, pool, node, state } = block.spec;
  const size = Number(cidrSize(parseCidr(cidr)));
  const lent = (block.spec.loans ?? []).length;
  const common = { block: cidr, pool, node, state, size };
  if (figures) return { ...common, ...figures, source: "journal" };
  const { used = lent, cooling = 0, free = size - used - cooling } = block.status ?? {};
  return { ...common, used: Math.max(0, used - lent), lent, cooling, free, source: "store" };
}

function poolUsages(facts: ClusterFacts, blocks: readonly BlockUsage[]): PoolUsage[] {
  return [...facts.pools.values()]
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap(({ metadata, spec }) => {
      const range = tryParseCidr(spec.cidr);
      if (!range) return [];
      const own = blocks.filter((block) => block.pool === metadata.name);
      const sum = (of: (block: BlockUsage) => number) => own.reduce((total, block) => total + of(block), 0);
      const used = sum((block) => block.used + block.lent);
      const cooling = sum((block) => block.cooling);
      const size = cidrSize(range);
      const blockSize = Math.max(spec.blockSize ?? (range.family === 4 ? 26 : 122), range.length);
      const all = 1n << BigInt(blockSize - range.length);
      return [
        {
          pool: metadata.name,
          cidr: spec.cidr,
          size: String(size),
          used,
          cooling,
          free: String(size - BigInt(used + cooling)),
          blocks: own.length,
          unclaimed: String(all - BigInt(own.length)),
        },
      ];
    });
}

function heldBy(node: string, ledger: Ledger): HeldBy[] {
  return [...ledger.holdings.values()].flatMap(({ owner, seq, at, addresses }) =>
    addresses.map(({ address, pool, block, loan }) => ({
      address,
      node,
      ...owner,
      use: tunnelDeviceOf(owner) === undefined ? ("pod" as const) : ("tunnel" as const),
      seq,
      since: new Date(at).toISOString(),
      pool,
      block,
      borrowed: loan !== undefined,
    })),
  );
}

function byAddress(a: HeldBy, b: HeldBy): number {
  return compareRanges(hostRange(a.address), hostRange(b.address));
}

/** IPv4 before IPv6, then by number. */
function compareRanges(a: string, b: string): number {
  const [left, right] = [parseCidr(a), parseCidr(b)];
  if (left.family !== right.family) return left.family - right.family;
  return left.base < right.base ? -1 : left.base > right.base ? 1 : left.length - right.length;
}
