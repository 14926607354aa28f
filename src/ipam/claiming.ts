// Getting more addresses than the node has: a block of its own, or else a loan.
import { type AddressBlock, addressBlockKind, blockName } from "../api/kinds/address-block.ts";
import { isError, TrunklineError, textOf } from "../base/errors.ts";
import { cidrOf, formatCidr, parseIp } from "../base/ip.ts";
import { rangeOf } from "./block-object.ts";
import { nextBlock } from "./candidates.ts";
import type { NodeContext } from "./context.ts";
import { borrow, withdraw } from "./lending/borrowing.ts";
import { pick, poolOf, usableBlocks } from "./pick.ts";
import type { PoolRange, Want } from "./types.ts";

/** How long a claim may take to come back through the watch and be confirmed, in milliseconds. */
const claimWaitMs = 5_000;

/**
 * Sees to it that `pick` has an address for the want.
 * @throws `ipam.exhausted`, `ipam.address-in-use`, `ipam.address-elsewhere`, `ipam.store`
 */
export async function provide(context: NodeContext, want: Want): Promise<void> {
  try {
    const claim = want.address === undefined ? claimAny : claimRangeOf;
    const enough = () => tryPick(context, want);
    if (enough() || (await claim(context, want))) return;
    if (!context.settings.strictAffinity) {
      const claimable = () => want.address === undefined && firstClaimable(context, want) !== undefined;
      try {
        await borrow(context, want, () => enough() || claimable());
      } finally {
        await withdraw(context);
      }
      if (enough() || (claimable() && (await claim(context, want)))) return;
    }
  } catch (error) {
    if (isError(error) && error.code.startsWith("ipam.")) throw error;
    throw new TrunklineError("ipam.store", { node: context.node, why: textOf(error) }, { cause: error });
  }
  throw want.address === undefined ? exhausted(context, want) : elsewhere(context, want.address);
}

function tryPick(context: NodeContext, want: Want): boolean {
  return pick(context, want) !== undefined;
}

function ownBlocks(context: NodeContext): number {
  return context.ledger.blocks.size;
}

function atLimit(context: NodeContext): boolean {
  const { maxBlocks } = context.settings;
  return maxBlocks > 0 && ownBlocks(context) >= maxBlocks;
}

function firstClaimable(
  context: NodeContext,
  want: Want,
  refused: ReadonlySet<string> = new Set(),
): { pool: PoolRange; cidr: string } | undefined {
  if (atLimit(context)) return undefined;
  const known = [...context.view.cache.values()].flatMap((object) => rangeOf(object) ?? []);
  for (const pool of want.pools) {
    const cidr = nextBlock(pool, context.node, known, refused);
    if (cidr !== undefined) return { pool, cidr };
  }
  return undefined;
}

/** Claims the first block that is to be had; false if there is none. */
async function claimAny(context: NodeContext, want: Want): Promise<boolean> {
  const refused = new Set<string>();
  for (;;) {
    const next = firstClaimable(context, want, refused);
    if (!next) return false;
    if (await claimBlock(context, next.pool, next.cidr)) return true;
    refused.add(blockName(next.cidr));
  }
}

/** Claims the block around a named address, unless somebody has it. */
async function claimRangeOf(context: NodeContext, want: Want): Promise<boolean> {
  const ip = parseIp(want.address ?? "");
  const pool = poolOf(want, want.address ?? "");
  if (!pool)
    throw new TrunklineError("ipam.address-elsewhere", {
      address: want.address ?? "",
      why: "no pool that this pod may use holds it",
    });
  const cidr = formatCidr(cidrOf(ip, pool.blockSize));
  if (context.view.cache.has(blockName(cidr)) || atLimit(context)) return false;
  return claimBlock(context, pool, cidr);
}

/** Creating the object is the claim: of several nodes one succeeds. False if this one did not. */
async function claimBlock(context: NodeContext, pool: PoolRange, cidr: string): Promise<boolean> {
  const { node, store, ready, withdrawn } = context;
  let object: AddressBlock;
  try {
    object = await store.create(addressBlockKind, {
      apiVersion: addressBlockKind.apiVersion,
      kind: "AddressBlock",
      metadata: { name: blockName(cidr) },
      spec: { cidr, pool: pool.name, node, state: "pending" },
    });
  } catch (error) {
    if (isError(error, "store.exists")) return false;
    throw error;
  }
  const { uid } = object.metadata;
  const settled = () => ready.has(uid) || withdrawn.has(uid);
  if (!(await context.until(settled, claimWaitMs)))
    throw new TrunklineError("ipam.store", { node, why: `the claim of ${cidr} was not confirmed in time` });
  withdrawn.delete(uid);
  return ready.has(uid);
}

function exhausted(context: NodeContext, want: Want): TrunklineError {
  const { settings, node } = context;
  const now = context.time();
  const blocks = usableBlocks(context, want);
  const cooling = blocks.reduce((sum, block) => sum + block.figures(now, settings.cooldownMs).cooling, 0);
  const times = blocks.flatMap((block) => block.soonest(now, settings.cooldownMs) ?? []);
  const soonest = times.length === 0 ? null : Math.ceil((Math.min(...times) - now) / 1000);
  const why = atLimit(context)
    ? `its ${settings.maxBlocks} blocks, the most that a node may own, are full`
    : settings.strictAffinity
      ? "no block is left to claim, and strict affinity forbids to borrow"
      : "no block is left to claim, and no other node could lend an address";
  const pools = want.pools.map((pool) => pool.name);
  return new TrunklineError("ipam.exhausted", { node, pools, why, cooling, soonestSeconds: soonest });
}

function elsewhere(context: NodeContext, address: string): TrunklineError {
  const owner = [...context.view.cache.values()].find((object) => {
    const range = rangeOf(object);
    return (
      range?.family === parseIp(address).family &&
      formatCidr(cidrOf(parseIp(address), range.length)) === object.spec.cidr
    );
  });
  if (owner && owner.spec.node !== context.node && !context.settings.strictAffinity)
    return new TrunklineError("ipam.address-in-use", {
      address,
      holder: `node ${owner.spec.node}, which did not lend it`,
    });
  const why = owner
    ? `its block belongs to node ${owner.spec.node}`
    : "its block cannot be claimed by this node";
  return new TrunklineError("ipam.address-elsewhere", { address, why });
}
