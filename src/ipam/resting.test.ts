// When an address is taken before it has rested to the end, and when a block is claimed instead.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { cidrContains, cidrSize, parseCidr, parseIp } from "../base/ip.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import {
  FakeClock,
  FakeDisk,
  idle,
  podOwner,
  poolOf,
  settle,
  startNode,
  type TestNode,
  want,
} from "./harness.suite.ts";
import { enoughResting } from "./pick.ts";
import type { PoolRange, Want } from "./types.ts";
import { everyTest, type TestWorld } from "./world.suite.ts";

let clock: FakeClock;
let store: Store;
let world: TestWorld;
everyTest((fresh) => {
  world = fresh;
  ({ clock, store } = fresh);
});

const start: TestWorld["start"] = (name, options) => world.start(name, options);

const give: TestWorld["give"] = (node, name, ...wants) => world.give(node, name, ...wants);

async function giveMany(node: TestNode, names: readonly string[], pool: PoolRange): Promise<string[]> {
  const given: string[] = [];
  for (const name of names) given.push(await give(node, name, want(pool)));
  return given;
}

const names = (count: number, prefix = "p") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const drop = ({ ipam }: TestNode, name: string) => settle(clock, ipam.release(podOwner(name)));
const contains = (block: string, address: string) => cidrContains(parseCidr(block), parseIp(address));
const blocks = async () => (await store.list(addressBlockKind)).items;

describe("how many must rest", () => {
  it.each([
    ["10.1.0.0/16", 32, 8],
    ["10.1.0.0/16", 30, 8],
    ["10.1.0.0/16", 28, 8],
    ["10.1.0.0/16", 27, 16],
    ["10.1.0.0/16", 26, 32],
    ["10.1.0.0/16", 24, 64],
    ["10.1.0.0/16", 20, 64],
    ["fd00::/64", 128, 8],
    ["fd00::/64", 122, 32],
    ["fd00::/48", 64, 64],
  ])("%s in blocks of /%i: %i", (cidr, blockSize, enough) => {
    expect(enoughResting(want(poolOf(cidr, blockSize)))).toBe(enough);
  });

  it("goes by the larger blocks of several pools", () => {
    const [small, large] = [poolOf("10.1.0.0/24", 30, "small"), poolOf("10.2.0.0/24", 27, "large")];
    expect(enoughResting(want(small, large))).toBe(16);
  });
});

describe("a node with none but resting addresses left", () => {
  const pool = poolOf("10.1.0.0/24", 28);

  it("takes the longest-resting one as long as eight rest, and then claims a block", async () => {
    const node = await start("a");
    const given = await giveMany(node, names(16), pool);
    // Not in the order of the addresses.
    const order = [11, 3, 7, 0, 15, 9, 1, 5, 13];
    for (const n of order) {
      await drop(node, `p${n}`);
      clock.advance(10);
    }
    expect(await give(node, "q0", want(pool))).toBe(given[11]);
    expect(await give(node, "q1", want(pool))).toBe(given[3]);
    expect(await blocks()).toHaveLength(1);
    expect(given).not.toContain(await give(node, "q2", want(pool)));
    expect(await blocks()).toHaveLength(2);
  });

  it("takes none early while there is one that was never used, or that has rested", async () => {
    const node = await start("a");
    const given = await giveMany(node, names(13), pool);
    for (const name of names(12)) await drop(node, name);
    for (const name of names(3, "fresh")) expect(given).not.toContain(await give(node, name, want(pool)));
    clock.advance(30_000);
    await drop(node, "p12");
    expect(await give(node, "rested", want(pool))).toBe(given[0]);
    expect(await blocks()).toHaveLength(1);
  });

  it("passes over an address that a pod's object still has", async () => {
    const named = new Set<string>();
    const node = await start("a", { isNamed: (address) => named.has(address) });
    const given = await giveMany(node, names(16), pool);
    for (const name of names(10)) await drop(node, name);
    named.add(given[0]!).add(given[1]!);
    expect(await give(node, "q0", want(pool))).toBe(given[2]);
    named.clear();
    expect(await give(node, "q1", want(pool))).toBe(given[0]);
  });

  it("looks at the blocks of the pools that the pod may use only", async () => {
    const other = poolOf("10.2.0.0/24", 28, "other");
    const node = await start("a");
    await giveMany(node, names(16), other);
    for (const name of names(16)) await drop(node, name);
    expect(await give(node, "q", want(pool))).toMatch(/^10\.1\./);
    expect((await blocks()).map(({ spec }) => spec.pool).toSorted()).toEqual(["other", "pool"]);
  });

  it("takes the longest-resting of all its blocks", async () => {
    const node = await start("a");
    const given = await giveMany(node, names(32), pool);
    for (const n of [20, 4, 28, 8, 24, 12, 16, 0]) {
      await drop(node, `p${n}`);
      clock.advance(10);
    }
    expect(await give(node, "q", want(pool))).toBe(given[20]);
  });

  it("takes borrowed ones early too, before it borrows more", async () => {
    const small = poolOf("10.1.0.0/27", 27);
    const owner = await start("owner");
    const node = await start("b");
    await giveMany(owner, ["mine"], small);
    const given = await giveMany(node, names(16), small);
    for (const name of names(16)) await drop(node, name);
    expect(await give(node, "q", want(small))).toBe(given[0]);
    expect((await blocks())[0]?.spec.loans).toHaveLength(16);
  });

  it("is refused when it may have nothing else, as long as too few rest", async () => {
    const small = poolOf("10.1.0.0/28", 28);
    const node = await start("a", { settings: { strictAffinity: true } });
    await giveMany(node, names(16), small);
    for (const name of names(8)) await drop(node, name);
    await give(node, "q0", want(small));
    const refused = give(node, "q1", want(small));
    await expect(refused).rejects.toMatchObject({ code: "ipam.exhausted", data: { cooling: 7 } });
  });

  it("takes nothing early of a block whose past it does not know, after a restart either", async () => {
    const before = await start("a");
    const lost = await giveMany(before, names(3), pool);
    before.fates.kill();
    const disk = new FakeDisk();
    const after = await start("a", { disk });
    await giveMany(after, names(15, "q"), pool);
    after.fates.kill();
    // Once more, so that the journal was also compacted.
    (await start("a", { disk })).fates.kill();
    const again = await start("a", { disk });
    await giveMany(again, names(2, "r"), pool);
    expect(await blocks()).toHaveLength(3);
    const unknown = again.ipam.figures().blocks.find(({ block }) => contains(block, lost[0]!));
    expect(unknown).toMatchObject({ used: 0, free: 0, cooling: 16 });
    clock.advance(30_000);
    await give(again, "s", want(pool));
    expect(await blocks()).toHaveLength(3);
  });

  it.each([26, 28, 30, 32])(
    "has as many blocks of /%i after every round of coming and going",
    async (size) => {
      const node = await start("a");
      const counts: number[] = [];
      for (let round = 0; round < 6; round++) {
        await giveMany(node, names(84, `r${round}-`), poolOf("10.1.0.0/16", size));
        for (const name of names(84, `r${round}-`)) await drop(node, name);
        counts.push((await blocks()).length);
        clock.advance(500);
      }
      // Half a block must be left over: where the first round fills its blocks to the brim, the second claims the rest.
      const spare = 84 + enoughResting(want(poolOf("10.1.0.0/16", size))) - 1;
      const width = 2 ** (32 - size);
      expect(counts[0]).toBe(Math.ceil(84 / width));
      expect(counts.slice(1)).toEqual(counts.slice(1).map(() => Math.ceil(spare / width)));
    },
  );
});

type Step =
  | { readonly type: "add"; readonly count: number }
  | { readonly type: "drop"; readonly count: number; readonly from: number }
  | { readonly type: "wait"; readonly ms: number };

const cooldownMs = 10_000;
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("add" as const), count: fc.integer({ min: 1, max: 24 }) }),
    fc.record({
      type: fc.constant("drop" as const),
      count: fc.integer({ min: 1, max: 24 }),
      from: fc.nat(100),
    }),
    fc.record({ type: fc.constant("wait" as const), ms: fc.nat(12_000) }),
  ),
  { minLength: 2, maxLength: 30 },
);
const ranges = fc.constantFrom(
  [poolOf("10.1.0.0/16", 32)],
  [poolOf("10.1.0.0/16", 30)],
  [poolOf("10.1.0.0/16", 28)],
  [poolOf("10.1.0.0/16", 27)],
  [poolOf("fd00::/64", 124)],
  [poolOf("10.1.0.0/28", 29, "one"), poolOf("10.2.0.0/16", 28, "two")],
);

/** A node seen from outside: which addresses are held, when each was released, and what the blocks cover. */
class Watched {
  readonly holders = new Map<string, string>();
  readonly releasedAt = new Map<string, number>();
  most = 0;
  readonly #node: TestNode;
  readonly #want: Want;
  #pods = 0;

  constructor(node: TestNode, wanted: Want) {
    this.#node = node;
    this.#want = wanted;
  }

  async run(step: Step): Promise<void> {
    if (step.type === "wait") clock.advance(step.ms);
    else
      for (let n = 0; n < step.count; n++) await (step.type === "add" ? this.#add() : this.#drop(step.from));
    await idle();
  }

  async #add(): Promise<void> {
    const before = this.#picture();
    const pod = `p${this.#pods++}`;
    const address = await give(this.#node, pod, this.#want);
    expect(this.holders.get(address)).toBeUndefined();
    this.holders.set(address, pod);
    this.most = Math.max(this.most, this.holders.size);
    const enough = enoughResting(this.#want);
    const claimed = this.#node.ipam.figures().blocks.length > before.blocks;
    // Never another block while one is to be had that was never used or has rested, or while enough rest.
    if (claimed) expect([before.ready, before.resting.length < enough]).toEqual([0, true]);
    const since = before.resting.find(([one]) => one === address)?.[1];
    if (since === undefined) return;
    expect([before.ready, before.resting.length >= enough]).toEqual([0, true]);
    expect(since).toBe(Math.min(...before.resting.map(([, at]) => at)));
  }

  #picture() {
    const now = clock.now();
    const { blocks: own } = this.#node.ipam.figures();
    const size = own.reduce((sum, { block }) => sum + Number(cidrSize(parseCidr(block))), 0);
    const resting = [...this.releasedAt].filter(
      ([address, at]) => !this.holders.has(address) && at + cooldownMs > now,
    );
    return { blocks: own.length, size, resting, ready: size - this.holders.size - resting.length };
  }

  async #drop(from: number): Promise<void> {
    const [address, pod] = [...this.holders][from % Math.max(1, this.holders.size)] ?? [];
    if (address === undefined || pod === undefined) return;
    await drop(this.#node, pod);
    this.holders.delete(address);
    this.releasedAt.set(address, clock.now());
  }

  /** Addresses in all blocks, and the most that the rule can lead to. */
  sizes(): { size: number; limit: number } {
    const bits = this.#want.family === 4 ? 32 : 128;
    const largest = Math.max(...this.#want.pools.map((pool) => 2 ** (bits - pool.blockSize)));
    return { size: this.#picture().size, limit: this.most + enoughResting(this.#want) + largest - 2 };
  }
}

it("nothing that rests is used while there is anything else, and no block is claimed while enough rest", async () => {
  await fc.assert(
    fc.asyncProperty(ranges, steps, async (pools, todo) => {
      clock = new FakeClock();
      const world = { store: memoryStore(), clock };
      const settings = { cooldownMs, strictAffinity: true, idleBlockMs: 1e9 };
      const node = await startNode(world, "a", { settings });
      try {
        const watched = new Watched(node, want(...pools));
        for (const step of todo) await watched.run(step);
        const { size, limit } = watched.sizes();
        expect(size).toBeLessThanOrEqual(limit);
      } finally {
        node.fates.kill();
        await world.store.close();
      }
    }),
    { numRuns: 60 },
  );
});
