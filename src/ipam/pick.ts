// Which free address to hand out, from what the node may use without asking anybody.

import { TrunklineError } from "../base/errors.ts";
import { cidrContains, cidrCovers, parseCidr, parseIp } from "../base/ip.ts";
import type { OwnBlock } from "./block.ts";
import type { LoanIn, NodeContext } from "./context.ts";
import type { HeldAddress, Want } from "./types.ts";

/**
 * Returns an address for the want, or undefined if own blocks and loans have none. Nothing is changed.
 * @throws `ipam.address-in-use` if the want names an address that somebody holds
 */
export function pick(context: NodeContext, want: Want): HeldAddress | undefined {
  return want.address === undefined ? pickAny(context, want) : pickThis(context, want, want.address);
}

function pickAny(context: NodeContext, want: Want): HeldAddress | undefined {
  const { ledger, clock, settings } = context;
  const now = clock.now();
  for (const block of usableBlocks(context, want)) {
    const address = block.peek(now, settings.cooldownMs);
    if (address !== undefined) return held(want, address, block);
  }
  for (const [address, loan] of context.loans) {
    if (loan.stale || !poolCovers(want, loan.pool, loan.cidr)) continue;
    if (ledger.holderOf(address) || ledger.returning.has(address)) continue;
    const freed = ledger.restingLoans.get(address);
    if (freed === undefined || freed + settings.cooldownMs <= now) return heldLoan(want, address, loan);
  }
  return undefined;
}

/** A named address need not have rested: whoever names it wants just that. */
function pickThis(context: NodeContext, want: Want, address: string): HeldAddress | undefined {
  const { ledger } = context;
  const holder = ledger.holderOf(address);
  if (holder)
    throw new TrunklineError("ipam.address-in-use", { address, holder: `pod ${holder.owner.pod || "?"}` });
  const block = ledger.blockOf(address);
  if (block) {
    const lent = block.lent.get(block.ordinalOf(address));
    if (lent) throw new TrunklineError("ipam.address-in-use", { address, holder: `node ${lent.node}` });
    return context.ready.has(block.uid) && !block.releasing ? held(want, address, block) : undefined;
  }
  const loan = context.loans.get(address);
  if (!loan || loan.stale || ledger.returning.has(address)) return undefined;
  return heldLoan(want, address, loan);
}

function held(want: Want, address: string, block: OwnBlock): HeldAddress {
  return { address, family: want.family, pool: block.pool, block: block.text };
}

function heldLoan(want: Want, address: string, loan: LoanIn): HeldAddress {
  return { address, family: want.family, pool: loan.pool, block: loan.cidr, loan: loan.seq };
}

/** Returns the own blocks that the want may be met from, in the order of their claims. */
export function usableBlocks(context: NodeContext, want: Want): OwnBlock[] {
  return [...context.ledger.blocks.values()].filter(
    (block) => context.ready.has(block.uid) && !block.releasing && poolCovers(want, block.pool, block.text),
  );
}

/** A pool may have been made anew under its name with another range. */
export function poolCovers(want: Want, pool: string, cidr: string): boolean {
  const range = parseCidr(cidr);
  return want.pools.some((one) => one.name === pool && cidrCovers(parseCidr(one.cidr), range));
}

/** Returns the pool that a named address lies in. */
export function poolOf(want: Want, address: string) {
  const ip = parseIp(address);
  return want.pools.find((pool) => cidrContains(parseCidr(pool.cidr), ip));
}
