// All that a node knows of its addresses, changed only by journal records: the same code replays a journal and runs the
// node, so a restart cannot see anything else than what was written.
import { tryParseIp } from "../base/ip.ts";
import { OwnBlock } from "./block.ts";
import type { JournalRecord } from "./journal/records.ts";
import { type Clock, type HeldAddress, type Holding, type Owner, ownerKey } from "./types.ts";

type HoldRecord = Extract<JournalRecord, { op: "hold" }>;

/** A loan that this node gives back. */
export interface Returning {
  readonly block: string;
  readonly loan: number;
}

export class Ledger {
  /** Own blocks by uid, in the order of their claims. */
  readonly blocks = new Map<string, OwnBlock>();
  /** By ownerKey. */
  readonly holdings = new Map<string, Holding>();
  /** Borrowed addresses on their way back, by address. */
  readonly returning = new Map<string, Returning>();
  /** Release times (ms) of borrowed addresses. */
  readonly restingLoans = new Map<string, number>();
  /** How times are made of the machine's steady clock; undefined in a journal from before it was so. */
  clock: { readonly boot: string; readonly offset: number } | undefined;
  /** The latest time (ms) that a record names. */
  #latest = 0;
  /** How long released addresses rest (ms), as the node last said; undefined in a journal from before it said so. */
  cooldownMs: number | undefined;
  /** False while something may be in use that a lost or damaged journal knew of. */
  whole = false;
  readonly #holdingBySeq = new Map<number, Holding>();
  readonly #seqByAddress = new Map<string, number>();
  #nextSeq = 1;

  /**
   * Returns the present time (ms) in which releases are dated: it goes forward as the machine's steady clock does, over
   * restarts of the process and of the machine, whatever becomes of the date. (Where the date was never set, it is the date.)
   */
  timeOf(clock: Omit<Clock, "sleep">): number {
    if (this.clock?.boot === clock.boot) return Math.max(this.#latest, this.clock.offset + clock.steady());
    // Another run of the machine: how long it was off nobody knows, so what rested goes on from where it was, and the time
    // since the start counts. Journals from before there was this clock have dates, one of which may be of the future.
    return this.clock === undefined ? Math.max(this.#latest, clock.now()) : this.#latest + clock.steady();
  }

  /** Returns the record that makes `timeOf` go on from where it is, in this run of the machine. */
  clockRecord(clock: Clock): Extract<JournalRecord, { op: "clock" }> {
    return { op: "clock", boot: clock.boot, offset: this.timeOf(clock) - clock.steady() };
  }

  /** The number for the next allocation or loan. */
  nextSeq(): number {
    return this.#nextSeq++;
  }

  holdingOf(owner: Pick<Owner, "containerId" | "ifName">): Holding | undefined {
    return this.holdings.get(ownerKey(owner));
  }

  /** Returns who holds an address on this node. */
  holderOf(address: string): Holding | undefined {
    const seq = this.#seqByAddress.get(address);
    return seq === undefined ? undefined : this.#holdingBySeq.get(seq);
  }

  /** Returns the own block that an address lies in. */
  blockOf(address: string): OwnBlock | undefined {
    // A journal of an earlier release may tell of a loan of something that is no address.
    const ip = tryParseIp(address);
    if (!ip) return undefined;
    for (const block of this.blocks.values())
      if (block.cidr.family === ip.family && block.has(address)) return block;
    return undefined;
  }

  blockByRange(cidr: string): OwnBlock | undefined {
    return [...this.blocks.values()].find((block) => block.text === cidr);
  }

  /** Takes over one record's effect. Any record may come a second time. */
  apply(record: JournalRecord): void {
    switch (record.op) {
      case "block":
        this.#addBlock(record);
        return;
      case "releasing": {
        const block = this.blocks.get(record.uid);
        if (block) block.releasing = true;
        return;
      }
      case "unblock":
        this.blocks.delete(record.uid);
        return;
      case "hold":
        this.#hold(record);
        return;
      case "free":
        this.#free(record.seq, record.at);
        return;
      case "lost":
        this.#lost(record.seq, record.address);
        return;
      case "lend":
        this.#lend(record);
        return;
      case "unlend": {
        this.#dated(record.at);
        const block = this.blockOf(record.address);
        if (block?.lent.get(block.ordinalOf(record.address))?.seq !== record.seq) return;
        // After several lost journals numbers do not tell which came first: found in use here, and lent by its block's object.
        if (this.holderOf(record.address)) block.forgetLoan(record.address);
        else block.free(record.address, record.at);
        return;
      }
      case "return":
        this.returning.set(record.address, { block: record.block, loan: record.loan });
        return;
      case "returned":
        if (this.returning.get(record.address)?.loan === record.loan) this.returning.delete(record.address);
        return;
      case "rest":
        for (const [address, at] of record.freed) {
          this.#dated(at);
          this.restingLoans.set(address, at);
        }
        return;
      case "next":
        this.#seen(record.seq - 1);
        return;
      case "clock":
        this.clock = { boot: record.boot, offset: record.offset };
        return;
      case "cooldown":
        this.cooldownMs = record.ms;
        return;
      case "whole":
        this.whole = true;
        return;
    }
  }

  /** Returns records that bring an empty ledger to this one's state. */
  snapshot(): JournalRecord[] {
    const out: JournalRecord[] = [{ op: "next", seq: this.#nextSeq }];
    for (const block of this.blocks.values()) {
      const { text: cidr, pool, uid, unknownBefore } = block;
      const cooling = unknownBefore === undefined ? {} : { coolingSince: unknownBefore };
      out.push({ op: "block", cidr, pool, uid, ...cooling, freed: block.freed() });
      for (const [ordinal, loan] of block.lent)
        out.push({ op: "lend", address: block.addressOf(ordinal), ...loan });
      if (block.releasing) out.push({ op: "releasing", uid });
    }
    for (const holding of this.holdings.values()) out.push({ op: "hold", ...holding });
    for (const [address, { block, loan }] of this.returning) out.push({ op: "return", address, block, loan });
    if (this.restingLoans.size > 0) out.push({ op: "rest", freed: [...this.restingLoans] });
    if (this.clock !== undefined) out.push({ op: "clock", ...this.clock });
    if (this.cooldownMs !== undefined) out.push({ op: "cooldown", ms: this.cooldownMs });
    if (this.whole) out.push({ op: "whole" });
    return out;
  }

  #addBlock(record: Extract<JournalRecord, { op: "block" }>): void {
    if (this.blocks.has(record.uid)) return;
    const block = new OwnBlock(record);
    if (record.coolingSince !== undefined) {
      this.#dated(record.coolingSince);
      block.restAll(record.coolingSince);
    }
    for (const [address, at] of record.freed ?? []) {
      this.#dated(at);
      block.restoreFreed(address, at);
    }
    for (const holding of this.holdings.values()) this.#joinBlock(holding, block);
    this.blocks.set(record.uid, block);
  }

  /**
   * What is held of a range that becomes ours: a borrowed address; or one that was lost with the block and comes back
   * with it, which nobody else can have by now, as a block is given up only when it is empty.
   */
  #joinBlock(holding: Holding, block: OwnBlock): void {
    const found = holding.addresses.filter(({ address }) => covers(block, address));
    if (found.length === 0) return;
    for (const { address } of found) {
      block.take(address);
      this.#seqByAddress.set(address, holding.seq);
    }
    this.#replace(holding, (held) => (found.includes(held) ? withoutLoss(held) : held));
  }

  #replace(holding: Holding, change: (held: HeldAddress) => HeldAddress): void {
    const changed = { ...holding, addresses: holding.addresses.map(change) };
    this.#holdingBySeq.set(holding.seq, changed);
    this.holdings.set(ownerKey(holding.owner), changed);
  }

  #hold(record: HoldRecord): void {
    this.#seen(record.seq);
    const { op: _, ...holding } = record;
    if (this.#holdingBySeq.has(holding.seq)) return;
    // An owner has one holding: an older one that was never taken back would be lost from sight.
    const older = this.holdings.get(ownerKey(holding.owner));
    if (older) this.#free(older.seq, this.#latest);
    // Nobody is given what another one holds: that it was freed stood in a line that is damaged.
    for (const { address, lost } of holding.addresses) {
      const before = lost ? undefined : this.holderOf(address);
      if (before) this.#free(before.seq, this.#latest);
    }
    this.holdings.set(ownerKey(holding.owner), holding);
    this.#holdingBySeq.set(holding.seq, holding);
    for (const { address, lost } of holding.addresses) {
      if (lost) continue;
      this.#seqByAddress.set(address, holding.seq);
      this.restingLoans.delete(address);
      this.#takeHome(address, holding.seq);
    }
  }

  /**
   * An address of an own block that is held here. It was lent before, and the line that told of the end is damaged: were the
   * loan kept, the borrower would be told of it once more, and use what it has given back.
   */
  #takeHome(address: string, seq: number): void {
    const block = this.blockOf(address);
    if (!block) return;
    block.take(address);
    const loan = block.lent.get(block.ordinalOf(address));
    if (loan !== undefined && loan.seq < seq) block.forgetLoan(address);
  }

  /** Of what is held and lent the later number counts: nothing is given out before it was free. */
  #lend({ address, node, seq }: Extract<JournalRecord, { op: "lend" }>): void {
    this.#seen(seq);
    const before = this.holderOf(address);
    if (before && before.seq > seq) return;
    if (before) this.#free(before.seq, this.#latest);
    this.blockOf(address)?.lend(address, { node, seq });
  }

  #free(seq: number, at: number): void {
    this.#dated(at);
    const holding = this.#holdingBySeq.get(seq);
    if (!holding) return;
    this.#holdingBySeq.delete(seq);
    const key = ownerKey(holding.owner);
    if (this.holdings.get(key)?.seq === seq) this.holdings.delete(key);
    for (const { address, loan } of holding.addresses) {
      if (this.#seqByAddress.get(address) !== seq) continue;
      this.#seqByAddress.delete(address);
      const block = this.blockOf(address);
      // Lent, it is the borrower's: only the end of the loan makes it free.
      if (block?.isLent(address)) continue;
      if (block) block.free(address, at);
      else if (loan !== undefined) this.restingLoans.set(address, at);
    }
  }

  #lost(seq: number, address: string): void {
    const holding = this.#holdingBySeq.get(seq);
    if (!holding) return;
    if (this.#seqByAddress.get(address) === seq) this.#seqByAddress.delete(address);
    this.#replace(holding, (held) => (held.address === address ? { ...held, lost: true } : held));
  }

  #dated(at: number): void {
    this.#latest = Math.max(this.#latest, at);
  }

  #seen(seq: number): void {
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1);
  }
}

function covers(block: OwnBlock, address: string): boolean {
  return block.cidr.family === tryParseIp(address)?.family && block.has(address);
}

function withoutLoss({ lost: _lost, ...held }: HeldAddress): HeldAddress {
  return held;
}
