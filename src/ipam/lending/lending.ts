// The owner's side, part two: loans. The journal is the truth of what is lent; the object follows it.

import { equalJson } from "../../api/equal.ts";
import {
  type AddressBlock,
  addressBlockKind,
  type Loan,
  type LoanRequest,
} from "../../api/kinds/address-block.ts";
import { isError } from "../../base/errors.ts";
import type { OwnBlock } from "../block.ts";
import { isFresh, isOfBlock, withLoans } from "../block-object.ts";
import type { NodeContext } from "../context.ts";
import type { JournalRecord } from "../journal/records.ts";
import { isIdle, objectOf } from "../own-blocks.ts";

/** Takes back what was returned, grants or denies what is asked for, and brings the objects up to date. */
export async function serveLoans(context: NodeContext): Promise<void> {
  for (const block of context.ledger.blocks.values()) {
    const object = objectOf(context, block);
    if (!object || !context.ready.has(block.uid) || block.releasing) continue;
    await takeBack(context, block, object);
    if (await giveAway(context, block, object)) continue;
    await grant(context, block, object);
    await pushLoans(context, block, object);
  }
}

async function takeBack(context: NodeContext, block: OwnBlock, object: AddressBlock): Promise<void> {
  const at = context.time();
  const records: JournalRecord[] = [];
  for (const [ordinal, lent] of block.lent) {
    const address = block.addressOf(ordinal);
    // The number tells this loan from an earlier one of the same address that the view may still show as returned.
    const loan = (object.spec.loans ?? []).find(
      (one) => one.address === address && (one.seq ?? 0) === lent.seq,
    );
    if (loan?.returned) records.push({ op: "unlend", address, seq: lent.seq, at });
  }
  if (records.length > 0) await context.commit(records, { sync: true });
}

/** A block that is wholly empty goes to whoever is short, as long as this node keeps another of the pool. */
async function giveAway(context: NodeContext, block: OwnBlock, object: AddressBlock): Promise<boolean> {
  const asked = requests(context, object).some((request) => request.address === undefined);
  if (!asked || context.settings.strictAffinity || !isIdle(context, block)) return false;
  const others = [...context.ledger.blocks.values()].some(
    (other) => other !== block && other.pool === block.pool && !other.releasing,
  );
  if (!others) return false;
  await context.commit([{ op: "releasing", uid: block.uid }], { sync: true });
  return true;
}

function requests(context: NodeContext, object: AddressBlock): readonly LoanRequest[] {
  const now = context.clock.now();
  return (object.spec.requests ?? []).filter(
    (request) =>
      request.node !== context.node &&
      isFresh(request, now) &&
      (request.address === undefined || isOfBlock(object, request.address)),
  );
}

async function grant(context: NodeContext, block: OwnBlock, object: AddressBlock): Promise<void> {
  if (context.settings.strictAffinity) return;
  const shown = new Set((object.spec.loans ?? []).map((loan) => loan.seq ?? 0));
  const records: JournalRecord[] = [];
  for (const request of requests(context, object)) {
    // Granted in an earlier pass whose write did not get through: the request that is still there is served already.
    let granted = [...block.lent.values()].filter(
      (lent) => lent.node === request.node && !shown.has(lent.seq),
    ).length;
    while (granted < request.count) {
      const address = free(context, block, request);
      if (address === undefined) break;
      const record = { op: "lend" as const, address, node: request.node, seq: context.ledger.nextSeq() };
      // One at a time into the ledger, so that the next look sees it taken.
      context.ledger.apply(record);
      records.push(record);
      granted++;
    }
  }
  if (records.length > 0) await context.commit(records, { sync: true });
}

function free(context: NodeContext, block: OwnBlock, request: LoanRequest): string | undefined {
  if (request.address === undefined) return block.peek(context.time(), context.settings.cooldownMs);
  return block.has(request.address) && block.isFree(request.address) ? request.address : undefined;
}

/** Writes the journal's loans into the object; requests that were looked at are answered by their removal. */
async function pushLoans(context: NodeContext, block: OwnBlock, object: AddressBlock): Promise<void> {
  const shown = new Set((object.spec.loans ?? []).map(({ seq }) => seq ?? 0));
  const loans = [...block.lent]
    .map(([ordinal, { node, seq }]): Loan & { seq: number } => ({
      address: block.addressOf(ordinal),
      node,
      seq,
    }))
    // What is in use here is not told of anew, whatever a damaged journal says.
    .filter(({ address, seq }) => shown.has(seq) || !context.ledger.holderOf(address));
  const asked = object.spec.requests ?? [];
  if (asked.length === 0 && equalJson(loans, object.spec.loans ?? [])) return;
  try {
    await context.store.update(addressBlockKind, withLoans(object, loans, []));
  } catch (error) {
    // Changed under our hands: the view will show it, and the next pass does this again.
    if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
  }
}
