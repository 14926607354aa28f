// What to do when the journal is lost or damaged: addresses that something on the node uses count as held, and what the
// store shows as lent is lent.
import { loansOf } from "./block-object.ts";
import type { NodeContext, UsedAddress } from "./context.ts";
import type { JournalRecord } from "./journal/records.ts";
import type { Ledger } from "./ledger.ts";
import { type Holding, type Owner, ownerKey, samePod, type Want } from "./types.ts";

const prefix = "recovered-";

/** Returns whether an owner stands for an address that was found in use: its real container is not known. */
export function isRecovered(owner: Pick<Owner, "containerId">): boolean {
  return owner.containerId.startsWith(prefix);
}

/**
 * After a lost or damaged journal, and at every start (`fresh`), as a line may be missing that nobody misses: what is used
 * of own blocks and of loans counts as held.
 */
export async function recover(context: NodeContext, fresh: boolean): Promise<void> {
  const { ledger, loans, logger } = context;
  if (ledger.whole && !fresh) return;
  const ours = (address: string) => loans.has(address) || ledger.blockOf(address) !== undefined;
  const used = await context.inUse();
  const found = recordsOfRecovery(context, used, ours);
  if (ledger.whole && found.length === 0) return;
  const addresses = found.flatMap((record) => (record.op === "hold" ? record.addresses : []));
  if (found.length > 0)
    logger.warn(
      { addresses: addresses.map(({ address }) => address) },
      "addresses that pods use count as held",
    );
  const records = [...lentByObjects(context, used), ...found];
  // Only now, and in one write with what was found: a crash before it must lead back to here.
  await context.commit([...records, { op: "whole" }], { sync: true });
}

/**
 * The line that told of a loan may be one of those that are lost; its borrower uses the address all the same. So may be the line
 * that freed it before, or that ended an earlier loan: of two loans the later number counts, or the earlier borrower would be
 * told of its own once more.
 */
function lentByObjects(context: NodeContext, used: readonly UsedAddress[]): JournalRecord[] {
  const { ledger, view, node } = context;
  const isUsed = (address: string) => used.some((use) => use.address === address);
  return [...view.cache.values()].flatMap((object) => {
    const block = object.spec.node === node ? ledger.blocks.get(object.metadata.uid) : undefined;
    if (!block) return [];
    return loansOf(object).flatMap(({ address, node: borrower, seq = 0 }): JournalRecord[] => {
      const earlier = block.has(address) ? block.lent.get(block.ordinalOf(address)) : undefined;
      const known = !block.has(address) || (earlier !== undefined && earlier.seq >= seq);
      const holder = ledger.holderOf(address);
      const isHeld = holder !== undefined && (holder.seq > seq || isUsed(address));
      return known || isHeld ? [] : [{ op: "lend", address, node: borrower, seq }];
    });
  });
}

/** Returns holdings for the used addresses that `belongs` selects and that nobody holds by the journal. */
export function recordsOfRecovery(
  context: NodeContext,
  used: readonly UsedAddress[],
  belongs: (address: string) => boolean,
): JournalRecord[] {
  const { ledger, clock } = context;
  const byOwner = new Map<string, { readonly owner: Owner; readonly addresses: string[] }>();
  for (const use of used) {
    if (!belongs(use.address) || ledger.holderOf(use.address)) continue;
    const owner = ownerOf(ledger, use);
    const known = byOwner.get(ownerKey(owner)) ?? { owner, addresses: [] };
    known.addresses.push(use.address);
    byOwner.set(ownerKey(owner), known);
  }
  return [...byOwner.values()].map(({ owner, addresses }) => ({
    op: "hold" as const,
    seq: ledger.nextSeq(),
    at: clock.now(),
    owner,
    addresses: addresses.map((address) => recoveredAddress(context, address)),
  }));
}

/** The attachment itself where it is known; an owner has one holding, which must not be pushed aside. */
function ownerOf(ledger: Ledger, { address, pod, uid, containerId = "", ifName = "" }: UsedAddress): Owner {
  const known = containerId !== "" && !ledger.holdingOf({ containerId, ifName });
  return known
    ? { containerId, ifName, pod, uid }
    : { containerId: `${prefix}${address}`, ifName: "", pod, uid };
}

function recoveredAddress(context: NodeContext, address: string) {
  const loan = context.loans.get(address);
  const family = address.includes(":") ? (6 as const) : (4 as const);
  if (loan) return { address, family, pool: loan.pool, block: loan.cidr, loan: loan.seq };
  return { address, family, pool: "", block: "" };
}

/**
 * Returns what was found in use for the owner's pod if it meets the wants: a repeated ADD after the journal was lost
 * must answer what the pod has.
 */
export function recoveredFor(
  ledger: Ledger,
  request: { readonly owner: Owner; readonly wants: readonly Want[] },
): Holding[] | undefined {
  const found = [...ledger.holdings.values()].filter(
    (holding) => isRecovered(holding.owner) && samePod(holding.owner, request.owner),
  );
  const addresses = found.flatMap((holding) => holding.addresses).filter((held) => !held.lost);
  const meets = (want: Want) =>
    addresses.filter((held) => held.family === want.family && (want.address ?? held.address) === held.address)
      .length === 1;
  return addresses.length === request.wants.length && request.wants.every(meets) ? found : undefined;
}
