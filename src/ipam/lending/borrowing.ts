// The borrower's side: asks owners for an address, keeps track of what it was lent, and gives it back.
import { type AddressBlock, addressBlockKind, type LoanRequest } from "../../api/kinds/address-block.ts";
import { isError, textOf } from "../../base/errors.ts";
import { cidrContains, parseIp } from "../../base/ip.ts";
import { loansTo, rangeOf, withoutRequest, withRequest, withReturned } from "../block-object.ts";
import { startOf } from "../candidates.ts";
import type { LoanIn, NodeContext } from "../context.ts";
import type { JournalRecord } from "../journal/records.ts";
import { poolCovers } from "../pick.ts";
import type { Want } from "../types.ts";

/** How many owners are asked at once. */
const askedAtOnce = 3;

/** Makes the list of loans equal to what the view shows. `stale`: loans seen now are from before, and only go back. */
export async function followLoans(context: NodeContext, stale: boolean): Promise<void> {
  const shown = new Map<string, LoanIn>();
  for (const object of context.view.cache.values()) {
    if (object.spec.node === context.node || rangeOf(object) === undefined) continue;
    for (const loan of loansTo(object, context.node)) {
      const known = context.loans.get(loan.address);
      const seq = loan.seq ?? 0;
      const same = known?.seq === seq && known.block === object.metadata.name;
      shown.set(loan.address, same && !stale ? known : newLoan(context, object, seq, stale));
    }
  }
  context.loans.clear();
  for (const [address, loan] of shown) context.loans.set(address, loan);
  await markLost(context);
  await forgetReturned(context);
}

function newLoan(context: NodeContext, object: AddressBlock, seq: number, stale: boolean): LoanIn {
  const { cidr, pool } = object.spec;
  return { block: object.metadata.name, cidr, pool, seq, idleSince: context.time(), stale };
}

/** A held loan that the store no longer shows was taken away: this node was thought to be gone. */
async function markLost(context: NodeContext): Promise<void> {
  const { ledger, loans, logger } = context;
  const lost: JournalRecord[] = [];
  for (const { seq, addresses } of ledger.holdings.values())
    for (const { address, loan, lost: already } of addresses)
      if (loan !== undefined && !already && loans.get(address)?.seq !== loan && !ledger.blockOf(address))
        lost.push({ op: "lost", seq, address });
  if (lost.length === 0) return;
  logger.error({ addresses: lost.length }, "borrowed addresses were taken away while pods hold them");
  await context.commit(lost, { sync: false });
}

/** A return is over when the view no longer shows the loan as ours; not before, or a late event would revive it. */
async function forgetReturned(context: NodeContext): Promise<void> {
  const { ledger, loans } = context;
  const over: JournalRecord[] = [];
  for (const [address, { loan }] of ledger.returning)
    if (loans.get(address)?.seq !== loan) over.push({ op: "returned", address, loan });
  if (over.length > 0) await context.commit(over, { sync: false });
}

/** Gives loans back that nobody holds: stale ones at once, others after a while. */
export async function returnIdle(context: NodeContext): Promise<void> {
  const { ledger, loans, settings } = context;
  const now = context.time();
  const records: JournalRecord[] = [];
  for (const [address, loan] of loans) {
    if (ledger.returning.has(address)) continue;
    const rests = (ledger.restingLoans.get(address) ?? Number.NEGATIVE_INFINITY) + settings.cooldownMs > now;
    if (ledger.holderOf(address) || rests) loan.idleSince = now;
    else if (loan.stale || now - loan.idleSince >= settings.idleLoanMs)
      records.push({ op: "return", address, block: loan.block, loan: loan.seq });
  }
  // On the disk before the store hears of it: a restarted node must not use an address that it has given back.
  if (records.length > 0) await context.commit(records, { sync: true });
}

/** Tells the owners of what goes back. */
export async function pushReturns(context: NodeContext): Promise<void> {
  for (const [address, { block, loan }] of context.ledger.returning) {
    const object = context.view.cache.get(block);
    const shown = object && loansTo(object, context.node).find((one) => one.address === address);
    if (!object || !shown || (shown.seq ?? 0) !== loan) continue;
    await change(context, withReturned(object, address, shown.seq));
  }
}

/**
 * Asks owners of blocks for an address, a few at a time, until `enough` is true or the wait is over. Requests that
 * nobody has answered are withdrawn. Settles with whether it is enough now.
 */
export async function borrow(context: NodeContext, want: Want, enough: () => boolean): Promise<boolean> {
  const { settings } = context;
  const deadline = context.time() + settings.borrowWaitMs;
  let lenders = lendersFor(context, want);
  while (lenders.length > 0 && context.time() < deadline) {
    const names = lenders.splice(0, askedAtOnce);
    for (const name of names) await ask(context, name, want, deadline);
    const answered = () => names.every((name) => !isAsking(context, name));
    await context.until(() => enough() || answered(), Math.max(0, deadline - context.time()));
    if (enough()) break;
    lenders = lenders.filter((name) => context.view.cache.has(name));
  }
  return enough();
}

/** Withdraws every request of this node's. */
export async function withdraw(context: NodeContext): Promise<void> {
  for (const object of context.view.cache.values())
    if (isAsking(context, object.metadata.name)) await change(context, withoutRequest(object, context.node));
}

function isAsking(context: NodeContext, name: string): boolean {
  const asked = context.view.cache.get(name)?.spec.requests ?? [];
  return asked.some((request) => request.node === context.node);
}

/** Blocks that may lend, those first whose owner last said that it has free addresses. */
function lendersFor(context: NodeContext, want: Want): string[] {
  const { view, node } = context;
  const blocks = [...view.cache.values()].filter((object) => {
    const range = rangeOf(object);
    return (
      range !== undefined &&
      object.spec.node !== node &&
      object.spec.state === "confirmed" &&
      poolCovers(want, object.spec.pool, range) &&
      (want.address === undefined || cidrContains(range, parseIp(want.address)))
    );
  });
  // Each node begins at another place, so that not all fall upon one owner.
  const sorted = blocks.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const start = sorted.length === 0 ? 0 : Number(startOf(node) % BigInt(sorted.length));
  const turned = [...sorted.slice(start), ...sorted.slice(0, start)];
  const free = (object: AddressBlock) => object.status?.free ?? 1;
  return turned
    .toSorted((a, b) => Math.sign(free(b)) - Math.sign(free(a)))
    .map(({ metadata }) => metadata.name);
}

async function ask(context: NodeContext, name: string, want: Want, deadline: number): Promise<void> {
  const at = new Date(context.clock.now()).toISOString();
  const request: LoanRequest = { node: context.node, count: 1, at };
  const exact = want.address === undefined ? request : { ...request, address: want.address };
  for (let attempt = 0; attempt < 5; attempt++) {
    const object = await context.store.get(addressBlockKind, name);
    if (!object) return;
    if (await change(context, withRequest(object, exact))) {
      // Answered means: gone from the view. So it must have been there.
      const seen = () => context.requestsSeen.get(name) === at;
      await context.until(seen, Math.max(0, deadline - context.time()));
      return;
    }
  }
}

/** Writes a block; settles with false if it was changed or deleted in the meantime. */
async function change(context: NodeContext, object: AddressBlock): Promise<boolean> {
  try {
    await context.store.update(addressBlockKind, object);
    return true;
  } catch (error) {
    if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
    context.logger.debug({ block: object.spec.cidr, why: textOf(error) }, "block changed meanwhile");
    return false;
  }
}
