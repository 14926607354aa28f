import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JournalRecord } from "./journal/records.ts";
import { Ledger } from "./ledger.ts";

const address = fc.nat(7).map((n) => `10.1.0.${n}`);
const seq = fc.integer({ min: 1, max: 12 });
const at = fc.nat(50);
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({
    op: fc.constant("hold" as const),
    seq,
    at,
    owner: fc.nat(5).map((n) => ({ containerId: `c${n}`, ifName: "eth0", pod: `x/p${n}`, uid: `u${n}` })),
    addresses: address.map((one) => [{ address: one, family: 4 as const, pool: "p", block: "10.1.0.0/29" }]),
  }),
  fc.record({ op: fc.constant("free" as const), seq, at }),
  fc.record({ op: fc.constant("lend" as const), address, node: fc.constant("b"), seq }),
  fc.record({ op: fc.constant("unlend" as const), address, seq, at }),
);

const cooling = fc.oneof(fc.constant({}), fc.record({ coolingSince: at }));

/** What can be seen of a ledger; the order of the free queue too. */
function picture(ledger: Ledger) {
  const [block] = ledger.blocks.values();
  return {
    holdings: [...ledger.holdings].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    lent: [...(block?.lent ?? [])].toSorted(([a], [b]) => a - b),
    freed: block?.freed(),
    resting: block?.resting(1000, 990),
    figures: block?.figures(1000, 990),
    next: block?.peek(1000, 0),
    cooldownMs: ledger.cooldownMs,
  };
}

/** Only records that the allocator could write: it hands out, and lends, nothing but what is free. */
function play(
  records: readonly JournalRecord[],
  cooling: { coolingSince?: number } = {},
): { ledger: Ledger; written: JournalRecord[] } {
  const ledger = new Ledger();
  const written: JournalRecord[] = [{ op: "block", cidr: "10.1.0.0/29", pool: "p", uid: "u", ...cooling }];
  ledger.apply(written[0]!);
  const numbers = new Set<number>();
  for (const one of records) {
    if (one.op === "hold" || one.op === "lend") {
      const wanted = one.op === "hold" ? (one.addresses[0]?.address ?? "") : one.address;
      if (numbers.has(one.seq) || !ledger.blockOf(wanted)?.isFree(wanted)) continue;
      if (one.op === "hold" && ledger.holdingOf(one.owner)) continue;
      numbers.add(one.seq);
    }
    ledger.apply(one);
    written.push(one);
  }
  return { ledger, written };
}

it("a compacted journal leads to the same state, also with the records that are written behind it again", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), fc.nat(40), cooling, (records, overlap, since) => {
      const { ledger, written } = play(records, since);
      ledger.apply({ op: "cooldown", ms: 500 });
      const snapshot = ledger.snapshot();
      const again = new Ledger();
      for (const one of snapshot) again.apply(one);
      expect(picture(again)).toEqual(picture(ledger));
      // The last few are appended once more: they came while the journal was being compacted.
      for (const one of written.slice(-Math.min(overlap, 1))) again.apply(one);
      expect(picture(again).holdings).toEqual(picture(ledger).holdings);
      expect(picture(again).lent).toEqual(picture(ledger).lent);
    }),
  );
});

it("every address of a block is held, lent or free, and exactly one of them", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), (records) => {
      const { ledger } = play(records);
      const figures = [...ledger.blocks.values()][0]?.figures(1000, 0);
      expect(
        (figures?.used ?? 0) + (figures?.lent ?? 0) + (figures?.free ?? 0) + (figures?.cooling ?? 0),
      ).toBe(8);
    }),
  );
});

it("an address that was lost with its block is held again when the block comes back", () => {
  const ledger = new Ledger();
  const block = { op: "block", cidr: "10.1.0.0/29", pool: "p" } as const;
  const owner = { containerId: "c", ifName: "eth0", pod: "x/p", uid: "u" };
  const held = { address: "10.1.0.3", family: 4, pool: "p", block: "10.1.0.0/29" } as const;
  ledger.apply({ ...block, uid: "first" });
  ledger.apply({ op: "hold", seq: 1, at: 0, owner, addresses: [held] });
  ledger.apply({ op: "lost", seq: 1, address: held.address });
  ledger.apply({ op: "unblock", uid: "first" });
  expect(ledger.holderOf(held.address)).toBeUndefined();
  ledger.apply({ ...block, uid: "second" });
  expect(ledger.holderOf(held.address)?.addresses).toEqual([held]);
  expect(ledger.blocks.get("second")?.isFree(held.address)).toBe(false);
  ledger.apply({ op: "free", seq: 1, at: 5 });
  expect(ledger.blocks.get("second")?.freed()).toEqual([[held.address, 5]]);
});

it.each(["held", "lent"] as const)(
  "an address that is found in use here and lent by its block's object is free only once it is neither (still %s)",
  (still) => {
    const ledger = new Ledger();
    const [address, owner] = ["10.1.0.3", { containerId: "c", ifName: "eth0", pod: "x/p", uid: "u" }];
    ledger.apply({ op: "block", cidr: "10.1.0.0/29", pool: "p", uid: "b" });
    // Its number is of before the journal was lost, and does not tell which came first.
    ledger.apply({ op: "lend", address, node: "other", seq: 9 });
    // After a damaged journal, what pods use counts as held (recovery.ts).
    const held = { address, family: 4, pool: "", block: "" } as const;
    ledger.apply({ op: "hold", seq: 2, at: 0, owner, addresses: [held] });
    const ends = [
      { op: "unlend", address, seq: 9, at: 5 },
      { op: "free", seq: 2, at: 5 },
    ] as const;
    const [first, last] = still === "held" ? ends : ends.toReversed();
    ledger.apply(first!);
    expect(ledger.blocks.get("b")?.isFree(address)).toBe(false);
    ledger.apply(last!);
    expect(ledger.blocks.get("b")?.isFree(address)).toBe(true);
  },
);

describe("where a damaged line told that an address was free again", () => {
  const [address, owner] = ["10.1.0.3", { containerId: "c", ifName: "eth0", pod: "x/p", uid: "u" }];
  const held = { address, family: 4, pool: "p", block: "10.1.0.0/29" } as const;
  const lend = (seq: number) => ({ op: "lend", address, node: "other", seq }) as const;
  const hold = (seq: number) => ({ op: "hold", seq, at: 0, owner, addresses: [held] }) as const;
  const play = (...records: JournalRecord[]) => {
    const ledger = new Ledger();
    ledger.apply({ op: "block", cidr: "10.1.0.0/29", pool: "p", uid: "b" });
    for (const record of records) ledger.apply(record);
    const block = ledger.blocks.get("b")!;
    return { ledger, block, lent: [...block.lent.values()].map(({ seq }) => seq) };
  };

  it("a loan is over once it is held here: its borrower has given it back", () => {
    const { ledger, block, lent } = play(lend(1), hold(2));
    expect(lent).toEqual([]);
    expect(ledger.holderOf(address)?.seq).toBe(2);
    ledger.apply({ op: "free", seq: 2, at: 5 });
    expect(block.isFree(address)).toBe(true);
  });

  it("nobody here holds it once it is lent", () => {
    const { ledger, block, lent } = play(hold(1), lend(2));
    expect(lent).toEqual([2]);
    expect(ledger.holderOf(address)).toBeUndefined();
    expect(ledger.holdingOf(owner)).toBeUndefined();
    ledger.apply({ op: "unlend", address, seq: 2, at: 5 });
    expect(block.isFree(address)).toBe(true);
  });

  it("an older loan that comes a second time takes nothing from who holds it", () => {
    const { ledger, lent } = play(lend(1), { op: "unlend", address, seq: 1, at: 3 }, hold(2), lend(1));
    expect(lent).toEqual([]);
    expect(ledger.holderOf(address)?.seq).toBe(2);
  });
});
