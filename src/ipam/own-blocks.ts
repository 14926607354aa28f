// The owner's side, part one: takes up its blocks, drops what is no longer its own, gives up what stays empty. Every
// step may crash, fail, or be answered too late: what binds this node is in the journal before the store is asked, and
// a step is done again until the view shows it.
import { type AddressBlock, addressBlockKind, blockName } from "../api/kinds/address-block.ts";
import { blockSizeBounds } from "../api/kinds/ip-pool.ts";
import { isError } from "../base/errors.ts";
import { cidrsOverlap, hostRange, parseCidr } from "../base/ip.ts";
import type { OwnBlock } from "./block.ts";
import { confirmed, loansOf, rangeOf, sessionAnnotation } from "./block-object.ts";
import type { NodeContext } from "./context.ts";
import { recordsOfRecovery } from "./recovery.ts";

/** Returns the object of a block, if the store still has this incarnation as ours. */
export function objectOf(context: NodeContext, block: OwnBlock): AddressBlock | undefined {
  const object = context.view.cache.get(blockName(block.text));
  return object?.metadata.uid === block.uid && object.spec.node === context.node ? object : undefined;
}

/** Drops blocks that the store says are no longer this node's, and marks what pods hold of them. */
export async function dropLost(context: NodeContext): Promise<void> {
  const { ledger, logger, ready } = context;
  for (const block of ledger.blocks.values()) {
    if (objectOf(context, block)) continue;
    ready.delete(block.uid);
    const lost = [...ledger.holdings.values()].flatMap(({ seq, addresses }) =>
      addresses
        .filter((held) => !held.lost && ledger.blockOf(held.address) === block)
        .map(({ address }) => ({ op: "lost" as const, seq, address })),
    );
    if (lost.length > 0) {
      const facts = { block: block.text, addresses: lost.map(({ address }) => address) };
      logger.error(facts, "a block was taken away while pods hold addresses of it");
    }
    await context.commit([...lost, { op: "unblock", uid: block.uid }], { sync: false });
  }
}

/** Takes up the blocks that the store has as ours: new claims, and those of an earlier run. */
export async function takeUp(context: NodeContext): Promise<void> {
  const { view, node, ledger, ready } = context;
  for (const object of view.cache.values()) {
    if (object.spec.node !== node || object.metadata.deletionTimestamp !== undefined) continue;
    const { uid } = object.metadata;
    if (!ledger.blocks.has(uid)) {
      if (object.spec.state === "pending" && cameSecond(context, object)) {
        context.withdrawn.add(uid);
        await removeObject(context, object);
        continue;
      }
      if (!isTakable(object)) {
        tellOnce(context, object);
        continue;
      }
      await adopt(context, object);
    }
    if (!ready.has(uid) && ledger.blocks.get(uid)?.releasing === false) await confirm(context, object);
  }
}

/** Whoever writes blocks by hand may write what no pool is ever cut into. */
function isTakable(object: AddressBlock): boolean {
  const range = rangeOf(object);
  return range !== undefined && range.length >= blockSizeBounds[range.family].least;
}

const told = new WeakSet<AddressBlock>();

function tellOnce({ logger }: NodeContext, object: AddressBlock): void {
  if (!told.has(object))
    logger.error({ block: object.spec.cidr }, "a block of this node's has no usable range");
  told.add(object);
}

/**
 * Two blocks can overlap when a pool was made anew with another block size. Both claimants wait until their own claim
 * comes back through the watch: then the view holds every earlier claim, and who came second withdraws. Blocks that
 * came in one listing have no order; then both withdraw.
 */
function cameSecond(context: NodeContext, object: AddressBlock): boolean {
  const { view, arrival } = context;
  const range = rangeOf(object);
  const mine = arrival.get(object.metadata.uid) ?? 0;
  return [...view.cache.values()].some((other) => {
    if (other.metadata.uid === object.metadata.uid || (arrival.get(other.metadata.uid) ?? 0) > mine)
      return false;
    const theirs = rangeOf(other);
    return range !== undefined && theirs !== undefined && cidrsOverlap(theirs, range);
  });
}

async function adopt(context: NodeContext, object: AddressBlock): Promise<void> {
  const { cidr, pool, state } = object.spec;
  const { uid } = object.metadata;
  // A pending block was never handed out of: the journal comes before the confirmation.
  if (state === "pending") {
    await context.commit([{ op: "block", cidr, pool, uid }], { sync: true });
    return;
  }
  // Confirmed, and the journal knows nothing of it: the journal was lost. Assume the worst of every address.
  context.logger.warn(
    { block: cidr },
    "a block of this node's is not in its journal; taking it up with care",
  );
  const loans = loansOf(object).map((loan) => ({
    op: "lend" as const,
    address: loan.address,
    node: loan.node,
    seq: loan.seq ?? 0,
  }));
  const block = { op: "block" as const, cidr, pool, uid, coolingSince: context.time() };
  const used = recordsOfRecovery(context, await context.inUse(), (address) => inside(address, cidr));
  await context.commit([block, ...loans, ...used], { sync: true });
}

function inside(address: string, cidr: string): boolean {
  return cidrsOverlap(parseCidr(hostRange(address)), parseCidr(cidr));
}

/** Writes the block as ours in this run; only then may addresses of it be handed out. */
async function confirm(context: NodeContext, object: AddressBlock): Promise<void> {
  const session = context.session();
  const { annotations } = object.metadata;
  if (object.spec.state !== "confirmed" || annotations?.[sessionAnnotation] !== session) {
    try {
      await context.store.update(addressBlockKind, confirmed(object, session));
    } catch (error) {
      // Changed or deleted meanwhile: the view will show it, and the next pass decides anew.
      if (isError(error, "store.conflict") || isError(error, "store.not-found")) return;
      throw error;
    }
  }
  // Registered anew while the write was under way: then it proves nothing.
  if (context.session() === session) context.ready.add(object.metadata.uid);
}

/** Deletes a block object if it is still what the view shows. */
export async function removeObject(context: NodeContext, object: AddressBlock): Promise<void> {
  const { name, uid, resourceVersion } = object.metadata;
  try {
    await context.store.delete(addressBlockKind, name, undefined, { uid, resourceVersion });
  } catch (error) {
    // Somebody changed it: the view will show how, and the next pass decides anew.
    if (!isError(error, "store.conflict")) throw error;
  }
}

/** Deletes, in the store, the blocks that the journal says are being given up. */
export async function pushReleases(context: NodeContext): Promise<void> {
  for (const block of context.ledger.blocks.values()) {
    const object = block.releasing ? objectOf(context, block) : undefined;
    if (object) await removeObject(context, object);
  }
}

/** Returns whether nothing of a block is held, lent or resting. */
export function isIdle(context: NodeContext, block: OwnBlock): boolean {
  const { used, lent, cooling } = block.figures(context.time(), context.settings.cooldownMs);
  return used + lent + cooling === 0 && context.ready.has(block.uid) && !block.releasing;
}

/** Decides which blocks to give up: those empty for long, but one of each wanted pool stays. */
export async function giveUpIdle(context: NodeContext, idleSince: Map<string, number>): Promise<void> {
  const now = context.time();
  const wanted = context.wantedPools();
  const blocks = [...context.ledger.blocks.values()];
  const left = new Map<string, number>();
  for (const { pool, releasing } of blocks) if (!releasing) left.set(pool, (left.get(pool) ?? 0) + 1);
  for (const block of blocks.toReversed()) {
    if (!isIdle(context, block)) {
      idleSince.delete(block.uid);
      continue;
    }
    const since = idleSince.get(block.uid) ?? now;
    idleSince.set(block.uid, since);
    const unwanted = wanted !== undefined && !wanted.has(block.pool);
    const others = (left.get(block.pool) ?? 0) - 1;
    if (!unwanted && (others < 1 || now - since < context.settings.idleBlockMs)) continue;
    left.set(block.pool, others);
    await context.commit([{ op: "releasing", uid: block.uid }], { sync: true });
  }
}
