// Situations that other allocators were once wrong in.
import { describe, expect, it } from "vitest";
import { type AddressBlock, addressBlockKind, blockName } from "../api/kinds/address-block.ts";
import type { Store } from "../store/store.ts";
import { sessionAnnotation, withRelease } from "./block-object.ts";
import { type FakeClock, FakeDisk, Fates, idle, podOwner, poolOf, settle, want } from "./harness.suite.ts";
import type { PoolRange } from "./types.ts";
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

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250);
    await idle();
  }
}

const blocks = async () => (await store.list(addressBlockKind)).items;
const claim = (
  cidr: string,
  pool: PoolRange,
  node: string,
  state: AddressBlock["spec"]["state"] = "confirmed",
) =>
  store.create(addressBlockKind, {
    apiVersion: addressBlockKind.apiVersion,
    kind: "AddressBlock",
    metadata: { name: blockName(cidr) },
    spec: { cidr, pool: pool.name, node, state },
  });

describe("claims", () => {
  it("20 nodes that want the same few blocks at once share them, one owner each", async () => {
    const pool = poolOf("10.1.0.0/24", 29);
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => start(`node-${n}`)));
    const given = await Promise.all(all.map((node, n) => give(node, `p${n}`, want(pool))));
    expect(new Set(given).size).toBe(20);
    const owners = (await blocks()).map(({ spec }) => spec.node);
    expect(new Set(owners).size).toBe(20);
  });

  it("takes up a claim that an earlier run made and did not confirm", async () => {
    const pool = poolOf("10.1.0.0/26", 26);
    await claim("10.1.0.0/26", pool, "a", "pending");
    const node = await start("a");
    expect(await give(node, "p", want(pool))).toBe("10.1.0.0");
    expect((await blocks())[0]?.spec.state).toBe("confirmed");
  });

  it("goes on when the answer to a claim is lost", async () => {
    let lost = false;
    const fates = new Fates((what) => {
      if (what !== "store.create" || lost) return "ok";
      lost = true;
      return "fail-after";
    });
    const node = await start("a", { fates });
    const pool = poolOf("10.1.0.0/26", 26);
    await expect(give(node, "p", want(pool))).rejects.toMatchObject({ code: "ipam.store" });
    await pass(1000);
    expect(await give(node, "p", want(pool))).toBe("10.1.0.0");
  });

  it("hands out nothing of a block before it is confirmed: no other node would route it", async () => {
    let down = true;
    const fates = new Fates((what) => (what === "store.update" && down ? "fail-before" : "ok"));
    const node = await start("a", { fates });
    const pool = poolOf("10.1.0.0/26", 26);
    await expect(give(node, "p1", want(pool))).rejects.toMatchObject({ code: "ipam.store" });
    clock.advance(1000);
    await expect(give(node, "p2", want(pool))).rejects.toMatchObject({ code: "ipam.exhausted" });
    down = false;
    await pass(2000);
    expect(await give(node, "p3", want(pool))).toBe("10.1.0.0");
  });

  it("withdraws from a block that overlaps an earlier one of another size", async () => {
    const small = poolOf("10.1.0.0/24", 28);
    const large = poolOf("10.1.0.0/24", 25);
    let told = false;
    // At the last moment before its claim, when the node cannot have heard of them.
    const fates = new Fates((what) => {
      if (what === "store.create" && !told) {
        told = true;
        void claim("10.1.0.16/28", small, "b");
        void claim("10.1.0.128/28", small, "b");
      }
      return "ok";
    });
    const node = await start("a", { fates });
    await expect(give(node, "p", want(large))).rejects.toMatchObject({ code: "ipam.exhausted" });
    expect(told).toBe(true);
    await pass(1000);
    expect((await blocks()).map(({ spec }) => spec.node)).toEqual(["b", "b"]);
  });

  it("stops at the most blocks that a node may own, and says so", async () => {
    const pool = poolOf("10.1.0.0/24", 31);
    const node = await start("a", { settings: { maxBlocks: 2, strictAffinity: true } });
    for (let n = 0; n < 4; n++) await give(node, `p${n}`, want(pool));
    await expect(give(node, "more", want(pool))).rejects.toThrow(
      "its 2 blocks, the most that a node may own",
    );
  });

  it("works for a node with a name as long as names can be", async () => {
    const name = `${"n".repeat(63)}.${"o".repeat(63)}.${"d".repeat(63)}.${"e".repeat(61)}`;
    expect(await give(await start(name), "p", want(poolOf("10.1.0.0/16", 26)))).toMatch(/^10\.1\./);
  });
});

describe("pools", () => {
  it("gives 300 and 300 addresses of two pools to one node", async () => {
    const [one, two] = [poolOf("10.1.0.0/16", 26, "one"), poolOf("10.2.0.0/16", 26, "two")];
    const node = await start("a");
    const all = await Promise.all(
      Array.from({ length: 600 }, (_, n) => give(node, `p${n}`, want(n % 2 === 0 ? one : two))),
    );
    expect(new Set(all).size).toBe(600);
    expect(all.filter((address) => address.startsWith("10.1.")).length).toBe(300);
  });

  it.each([
    [4, 30, 4],
    [256, 24, 256],
    [257, 24, 256],
  ])("of %i asked for a pool of one /%i gives %i", async (asked, blockSize, got) => {
    const pool = poolOf(`10.1.0.0/${blockSize}`, blockSize);
    const node = await start("a");
    const all = await Promise.allSettled(
      Array.from({ length: asked }, (_, n) => give(node, `p${n}`, want(pool))),
    );
    expect(all.filter((one) => one.status === "fulfilled")).toHaveLength(got);
  });

  it("falls back to the second pool when the first is full", async () => {
    const [first, second] = [poolOf("10.1.0.0/32", 32, "first"), poolOf("10.2.0.0/26", 26, "second")];
    const node = await start("a");
    expect(await give(node, "p1", want(first, second))).toBe("10.1.0.0");
    expect(await give(node, "p2", want(first, second))).toBe("10.2.0.0");
    await expect(give(node, "p3", want(first))).rejects.toMatchObject({ code: "ipam.exhausted" });
  });

  it("does not hand out of a block of a pool that is gone, or was made anew elsewhere", async () => {
    const node = await start("a");
    await give(node, "p1", want(poolOf("10.1.0.0/26", 26)));
    expect(await give(node, "p2", want(poolOf("10.2.0.0/26", 26)))).toBe("10.2.0.0");
  });

  it("keeps a block with pods in it when its pool no longer selects the node, and gives it up with the last pod", async () => {
    const pool = poolOf("10.1.0.0/26", 26);
    const node = await start("a", { settings: { cooldownMs: 5000 } });
    await give(node, "p1", want(pool));
    node.ipam.setWantedPools(new Set());
    await pass(3000);
    expect(await blocks()).toHaveLength(1);
    await settle(clock, node.ipam.release(podOwner("p1")));
    await pass(3000);
    // Not before the address has rested: whoever claims the block next knows nothing of it.
    expect(await blocks()).toHaveLength(1);
    await pass(4000);
    expect(await blocks()).toHaveLength(0);
  });
});

describe("loans", () => {
  const pool = poolOf("10.1.0.0/29", 29);

  it("are kept by both ends through restarts of both", async () => {
    const disks = [new FakeDisk(), new FakeDisk()] as const;
    const a = await start("a", { disk: disks[0] });
    const b = await start("b", { disk: disks[1] });
    await give(a, "mine", want(pool));
    const lent = await give(b, "theirs", want(pool));
    await a.ipam.close();
    await b.ipam.close();
    const again = [await start("a", { disk: disks[0] }), await start("b", { disk: disks[1] })] as const;
    expect(await give(again[1], "theirs", want(pool))).toBe(lent);
    const rest = await Promise.all([2, 3, 4, 5, 6, 7].map((n) => give(again[0], `p${n}`, want(pool))));
    expect(rest).not.toContain(lent);
    await expect(give(again[0], "p8", want(pool))).rejects.toMatchObject({ code: "ipam.exhausted" });
  });

  it("are not asked back while the borrower is away, nor given to a third", async () => {
    const a = await start("a");
    const b = await start("b");
    const c = await start("c");
    await give(a, "mine", want(pool));
    const lent = await give(b, "theirs", want(pool));
    b.fates.kill();
    const others = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => give(c, `c${n}`, want(pool))));
    expect(others).not.toContain(lent);
    await expect(give(c, "c7", want(pool))).rejects.toMatchObject({ code: "ipam.exhausted" });
  });

  it("a request that nobody answers is withdrawn, and the wait is bounded", async () => {
    // Four of them, more than are asked at once.
    for (const at of [0, 2, 4, 6]) await claim(`10.1.0.${at}/31`, pool, "away");
    const b = await start("b");
    const began = clock.now();
    await expect(give(b, "p", want(pool))).rejects.toMatchObject({ code: "ipam.exhausted" });
    expect(clock.now() - began).toBeLessThan(3000);
    expect((await blocks()).flatMap(({ spec }) => spec.requests ?? [])).toEqual([]);
  });

  it("a block with a loan out is not given up", async () => {
    const settings = { cooldownMs: 0, idleBlockMs: 1000, idleLoanMs: 1_000_000 };
    const a = await start("a", { settings });
    const b = await start("b", { settings });
    await give(a, "mine", want(pool));
    await give(b, "theirs", want(pool));
    await settle(clock, a.ipam.release(podOwner("mine")));
    a.ipam.setWantedPools(new Set());
    await pass(5000);
    expect(await blocks()).toHaveLength(1);
  });
});

describe("what binds a node is in its journal before the store hears of it", () => {
  const pool = poolOf("10.1.0.0/29", 29);
  const settings = { cooldownMs: 0, idleLoanMs: 1000 };

  /** Starts a node that keeps its disk's text as it was at each of its calls of that name. */
  async function watched(name: string, call: string) {
    const disk = new FakeDisk();
    const texts: string[] = [];
    const fates = new Fates((what) => {
      if (what === call) texts.push(disk.text);
      return "ok";
    });
    const node = await start(name, { disk, fates, settings });
    return { node, texts };
  }

  it("a loan", async () => {
    const { node, texts } = await watched("a", "store.update");
    await give(node, "mine", want(pool));
    await give(await start("b"), "theirs", want(pool));
    const [block] = await blocks();
    expect(block?.spec.loans).toHaveLength(1);
    expect(texts.at(-1)).toContain('"op":"lend"');
  });

  it("a return", async () => {
    await give(await start("a"), "mine", want(pool));
    const { node, texts } = await watched("b", "store.update");
    await give(node, "theirs", want(pool));
    const before = texts.length;
    await settle(clock, node.ipam.release(podOwner("theirs")));
    await pass(3000);
    expect((await blocks())[0]?.spec.loans).toEqual([]);
    expect(texts[before]).toContain('"op":"return"');
  });

  it("the giving up of a block", async () => {
    const { node, texts } = await watched("a", "store.delete");
    await give(node, "p", want(pool));
    await settle(clock, node.ipam.release(podOwner("p")));
    node.ipam.setWantedPools(new Set());
    await pass(1000);
    expect(await blocks()).toEqual([]);
    expect(texts[0]).toContain('"op":"releasing"');
  });
});

describe("a node that was away", () => {
  const pool = poolOf("10.1.0.0/29", 29);

  it("writes its blocks anew before it uses them: who decided on the older version that it is gone fails", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    await give(before, "p1", want(pool));
    before.fates.kill();
    const session = async () => (await blocks())[0]?.metadata.annotations?.[sessionAnnotation];
    const seen = await session();
    const after = await start("a", { disk });
    await give(after, "p2", want(pool));
    expect(seen).toBeDefined();
    expect(await session()).not.toBe(seen);
  });

  it("does so again when its Node object comes back", async () => {
    const node = await start("a");
    await give(node, "p1", want(pool));
    const [seen] = await blocks();
    node.ipam.setRegistered(false);
    node.ipam.setRegistered(true);
    await give(node, "p2", want(pool));
    expect((await blocks())[0]?.metadata.resourceVersion).not.toBe(seen?.metadata.resourceVersion);
  });

  it("gives back the loans that none of its pods holds, and uses none of them", async () => {
    const settings = { cooldownMs: 0, idleLoanMs: 1_000_000 };
    const disk = new FakeDisk();
    const a = await start("a", { settings: { cooldownMs: 1_000_000 } });
    const before = await start("b", { disk, settings });
    await give(a, "mine", want(pool));
    const lent = await give(before, "theirs", want(pool));
    await settle(clock, before.ipam.release(podOwner("theirs")));
    before.fates.kill();
    const after = await start("b", { disk, settings });
    expect(await give(after, "next", want(pool))).not.toBe(lent);
    await pass(1000);
    expect((await blocks())[0]?.spec.loans?.map((loan) => loan.address)).not.toContain(lent);
  });
});

it("an older picture of a loan as returned does not end the newer one", async () => {
  const pool = poolOf("10.1.0.0/29", 29);
  const a = await start("a");
  const b = await start("b");
  await give(a, "mine", want(pool));
  const address = await give(b, "theirs", want(pool));
  const [block] = await blocks();
  const older = [{ address, node: "b", seq: 0, returned: true }];
  await store.update(addressBlockKind, { ...block!, spec: { ...block!.spec, loans: older } });
  await pass(1000);
  expect(a.ipam.figures().blocks[0]).toMatchObject({ lent: 1, cooling: 0 });
  expect((await blocks())[0]?.spec.loans).toMatchObject([{ address, node: "b" }]);
});

describe("orders to release", () => {
  it("free the allocation that is meant, and are taken off", async () => {
    const pool = poolOf("10.1.0.0/26", 26);
    const node = await start("a");
    const address = await give(node, "p", want(pool));
    const seq = node.ipam.holderOf(address)?.seq ?? 0;
    const order = async (number: number) => {
      const [block] = await blocks();
      const at = new Date(clock.now()).toISOString();
      await store.update(addressBlockKind, withRelease(block!, { address, node: "a", seq: number, at }));
      await idle(10);
    };
    await order(seq + 1);
    expect(node.ipam.holderOf(address)?.owner.pod).toBe("default/p");
    await order(seq);
    expect(node.ipam.holderOf(address)).toBeUndefined();
    expect((await blocks())[0]?.spec.releases).toEqual([]);
  });

  it.each([
    [5, true],
    [11, false],
  ])("by a clock that is %i minutes behind: obeyed %s, and taken off", async (minutes, isObeyed) => {
    const pool = poolOf("10.1.0.0/26", 26);
    const node = await start("a");
    const address = await give(node, "p", want(pool));
    const seq = node.ipam.holderOf(address)?.seq ?? 0;
    const [block] = await blocks();
    const at = new Date(clock.now() - minutes * 60_000).toISOString();
    await store.update(addressBlockKind, withRelease(block!, { address, node: "a", seq, at }));
    await idle(10);
    expect(node.ipam.holderOf(address) === undefined).toBe(isObeyed);
    expect((await blocks())[0]?.spec.releases).toEqual([]);
  });
});
