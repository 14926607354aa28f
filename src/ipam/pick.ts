// Which free address to hand out, from what the node may use without asking anybody.

import { TrunklineError } from "../base/errors.ts";
import { type Cidr, cidrContains, cidrCovers, familyBits, parseCidr, parseIp } from "../base/ip.ts";
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
  return pickRested(context, want) ?? pickResting(context, want);
}

/**
 * Of the block that was claimed first, the address that is free the longest: pods gather in the older blocks, and the
 * younger ones can be given up.
 */
function pickRested(context: NodeContext, want: Want): HeldAddress | undefined {
  const { ledger, settings } = context;
  const now = context.time();
  for (const block of usableBlocks(context, want)) {
    const address = block.peek(now, settings.cooldownMs);
    if (address !== undefined) return held(want, address, block);
  }
  for (const [address, loan] of usableLoans(context, want)) {
    const freed = ledger.restingLoans.get(address);
    if (freed === undefined || freed + settings.cooldownMs <= now) return heldLoan(want, address, loan);
  }
  return undefined;
}

/**
 * The address that has rested the longest, taken before its time: as long as so many rest that one which is freed now
 * has its turn behind enough others, another block would serve nothing but longer rest.
 */
function pickResting(context: NodeContext, want: Want): HeldAddress | undefined {
  const { ledger, settings } = context;
  const [now, cooldown] = [context.time(), settings.cooldownMs];
  const blocks = usableBlocks(context, want);
  const loans = usableLoans(context, want).flatMap(([address, loan]) => {
    const since = ledger.restingLoans.get(address);
    return since === undefined ? [] : [{ since, address, held: () => heldLoan(want, address, loan) }];
  });
  const count = blocks.reduce((sum, block) => sum + block.resting(now, cooldown), loans.length);
  if (count < enoughResting(want)) return undefined;
  const isFree = (address: string): boolean => !context.isNamed(address);
  const candidates = [
    ...blocks.flatMap((block) => {
      const one = block.longestResting(now, cooldown, isFree);
      return one ? [{ since: one.since, held: () => held(want, one.address, block) }] : [];
    }),
    ...loans.filter(({ address }) => isFree(address)),
  ];
  const first = candidates.reduce<(typeof candidates)[number] | undefined>(
    (best, one) => (best && best.since <= one.since ? best : one),
    undefined,
  );
  return first?.held();
}

const fewestResting = 8;
const mostResting = 64;

/**
 * Returns how many addresses must rest so that one of them may be taken early: half a block's worth. Not fewer than 8,
 * as half of a tiny block is no rest at all; and not more than 64, as no node starts so many pods in a moment.
 */
export function enoughResting(want: Want): number {
  const sizes = want.pools.map((pool) => 2 ** (familyBits(want.family) - pool.blockSize));
  return Math.min(mostResting, Math.max(fewestResting, ...sizes.map((size) => size / 2)));
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
    (block) => context.ready.has(block.uid) && !block.releasing && poolCovers(want, block.pool, block.cidr),
  );
}

/** Returns the loans that the want may be met from and that nobody holds. */
function usableLoans({ ledger, loans }: NodeContext, want: Want): [address: string, loan: LoanIn][] {
  return [...loans].filter(
    ([address, loan]) =>
      !loan.stale &&
      poolCovers(want, loan.pool, parseCidr(loan.cidr)) &&
      !ledger.holderOf(address) &&
      !ledger.returning.has(address),
  );
}

/** A pool may have been made anew under its name with another range. */
export function poolCovers(want: Want, pool: string, range: Cidr): boolean {
  return want.pools.some((one) => one.name === pool && cidrCovers(parseCidr(one.cidr), range));
}

/** Returns the pool that a named address lies in. */
export function poolOf(want: Want, address: string) {
  const ip = parseIp(address);
  return want.pools.find((pool) => cidrContains(parseCidr(pool.cidr), ip));
}
