import { beforeEach, describe, expect, it } from "vitest";
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import {
  FakeClock,
  FakeDisk,
  Fates,
  idle,
  podOwner,
  poolOf,
  settle,
  startNode,
  want,
} from "./harness.suite.ts";
import type { NodeIpam } from "./node-ipam.ts";
import type { Want } from "./types.ts";

describe("a node's allocator", () => {
  const pool = poolOf("10.1.0.0/24", 26);
  let clock: FakeClock;
  let store: Store;
  beforeEach(() => {
    clock = new FakeClock();
    store = memoryStore();
  });
  const start = (name: string, options: Parameters<typeof startNode>[2] = {}) =>
    startNode({ store, clock }, name, options);
  const give = (ipam: NodeIpam, name: string, ...wants: Want[]) =>
    settle(clock, ipam.allocate({ owner: podOwner(name), wants: wants.length > 0 ? wants : [want(pool)] }));
  const addressOf = async (ipam: NodeIpam, name: string, ...wants: Want[]) =>
    (await give(ipam, name, ...wants)).addresses[0]?.address;
  const blocks = async () =>
    (await store.list(addressBlockKind)).items.map(({ spec }) => `${spec.cidr} ${spec.node} ${spec.state}`);

  it("claims a block, confirms it, and hands out its addresses in order", async () => {
    const { ipam } = await start("a");
    const first = await give(ipam, "one");
    const second = await give(ipam, "two");
    const [block] = (await store.list(addressBlockKind)).items;
    expect(block?.spec).toMatchObject({ node: "a", pool: "pool", state: "confirmed" });
    expect(first.addresses[0]?.block).toBe(block?.spec.cidr);
    expect(first.addresses[0]?.address).not.toBe(second.addresses[0]?.address);
    await ipam.close();
  });

  it("answers the same owner the same again, also after a restart", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const first = await give(before.ipam, "one");
    expect(await give(before.ipam, "one")).toEqual(first);
    await before.ipam.close();
    const after = await start("a", { disk });
    expect(await give(after.ipam, "one")).toEqual(first);
    await after.ipam.close();
  });

  it.each([["its journal"], ["no journal"]])(
    "takes loans and requests of what is no address of a block for nobody's, and goes on with %s",
    async (journal) => {
      const disk = new FakeDisk();
      const before = await start("a", { disk });
      await give(before.ipam, "one");
      await before.ipam.close();
      const [block] = (await store.list(addressBlockKind)).items;
      const at = new Date(clock.now()).toISOString();
      const words = ["nonsense", "10.9.0.1", "10.1.0.256", ""];
      await store.update(addressBlockKind, {
        ...block!,
        spec: {
          ...block!.spec,
          loans: words.map((address, seq) => ({ address, node: "b", seq })),
          requests: words.map((address) => ({ node: "b", count: 1, address, at })),
          releases: words.map((address) => ({ address, node: "a", seq: 1, at })),
        },
      });
      const [after, other] = [
        await start("a", journal === "its journal" ? { disk } : {}),
        await start("b", { settings: { maxBlocks: 1 } }),
      ];
      await settle(clock, idle());
      expect(await addressOf(after.ipam, "two")).toMatch(/^10\.1\.0\./);
      expect(await addressOf(other.ipam, "three")).toMatch(/^10\.1\.0\./);
      const healed = await store.get(addressBlockKind, block!.metadata.name);
      expect(healed?.spec).toMatchObject({ loans: [], requests: [], releases: [] });
      await after.ipam.close();
      await other.ipam.close();
    },
  );

  it("needs no store for what its blocks have", async () => {
    let down = false;
    const fates = new Fates((what) => (down && what.startsWith("store") ? "fail-before" : "ok"));
    const { ipam } = await start("a", { fates });
    await give(ipam, "one");
    down = true;
    expect(await addressOf(ipam, "two")).toBeDefined();
    await settle(clock, ipam.release(podOwner("two")));
    await ipam.close();
  });

  it("hands out nothing new after a restart before the store has confirmed its blocks", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const first = await give(before.ipam, "one");
    await before.ipam.close();
    let down = true;
    const after = await start("a", {
      disk,
      fates: new Fates((what) => (down && what.startsWith("store") ? "fail-before" : "ok")),
    });
    expect(await give(after.ipam, "one")).toEqual(first);
    await expect(give(after.ipam, "two")).rejects.toMatchObject({ code: "ipam.not-ready" });
    down = false;
    // The informer's back-off runs on the machine's clock.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await addressOf(after.ipam, "two")).toBeDefined();
    await after.ipam.close();
  });

  it("lets an address rest before it is used again, and then takes the one that was free the longest", async () => {
    const small = poolOf("10.1.0.0/30", 30);
    const { ipam } = await start("a", { settings: { cooldownMs: 30_000 } });
    const names = ["p0", "p1", "p2", "p3"];
    const given = [];
    for (const name of names) given.push(await addressOf(ipam, name, want(small)));
    await settle(clock, ipam.release(podOwner("p2")));
    clock.advance(1000);
    await settle(clock, ipam.release(podOwner("p0")));
    await expect(give(ipam, "next", want(small))).rejects.toMatchObject({
      code: "ipam.exhausted",
      data: { cooling: 2 },
    });
    clock.advance(30_000);
    expect(await addressOf(ipam, "next", want(small))).toBe(given[2]);
    expect(await addressOf(ipam, "more", want(small))).toBe(given[0]);
    await ipam.close();
  });

  it("gives all families or none", async () => {
    const six = poolOf("fd00::/126", 126, "six");
    const { ipam } = await start("a");
    for (const name of ["p0", "p1", "p2", "p3"]) {
      const { addresses } = await give(ipam, name, want(pool), want(six));
      expect(addresses.map((held) => held.family)).toEqual([4, 6]);
    }
    await expect(give(ipam, "p4", want(pool), want(six))).rejects.toMatchObject({ code: "ipam.exhausted" });
    expect(ipam.holdings.size).toBe(4);
    expect(ipam.figures().blocks.reduce((sum, block) => sum + block.used, 0)).toBe(8);
    await ipam.close();
  });

  it("gives an asked-for address: own block, a block to claim, borrowed, refused", async () => {
    const a = await start("a");
    const b = await start("b");
    const ask = (address: string): Want => ({ ...want(pool), address });
    expect(await addressOf(a.ipam, "one", ask("10.1.0.7"))).toBe("10.1.0.7");
    expect(await addressOf(a.ipam, "two", ask("10.1.0.9"))).toBe("10.1.0.9");
    const lent = await give(b.ipam, "three", ask("10.1.0.8"));
    expect(lent.addresses[0]).toMatchObject({ address: "10.1.0.8", block: "10.1.0.0/26" });
    expect(lent.addresses[0]?.loan).toBeDefined();
    await expect(give(a.ipam, "four", ask("10.1.0.7"))).rejects.toMatchObject({
      code: "ipam.address-in-use",
    });
    await expect(give(a.ipam, "five", ask("10.1.0.8"))).rejects.toMatchObject({
      code: "ipam.address-in-use",
    });
    await expect(give(b.ipam, "six", ask("10.1.0.9"))).rejects.toMatchObject({ code: "ipam.address-in-use" });
    await expect(give(b.ipam, "six", ask("10.9.0.9"))).rejects.toMatchObject({
      code: "ipam.address-elsewhere",
    });
    await settle(clock, a.ipam.release(podOwner("one")));
    expect(await addressOf(a.ipam, "seven", ask("10.1.0.7"))).toBe("10.1.0.7");
    await a.ipam.close();
    await b.ipam.close();
  });

  it("borrows when no block is left, and gives back what it no longer uses", async () => {
    const one = poolOf("10.1.0.0/29", 29);
    const a = await start("a", { settings: { cooldownMs: 1000, idleLoanMs: 5000 } });
    const b = await start("b", { settings: { cooldownMs: 1000, idleLoanMs: 5000 } });
    await give(a.ipam, "mine", want(one));
    const holding = await give(b.ipam, "theirs", want(one));
    expect(holding.addresses[0]?.loan).toBeDefined();
    expect((await store.list(addressBlockKind)).items[0]?.spec.loans).toMatchObject([
      { address: holding.addresses[0]?.address, node: "b" },
    ]);
    await settle(clock, b.ipam.release(podOwner("theirs")));
    for (let n = 0; n < 100; n++) {
      clock.advance(200);
      await idle();
    }
    expect((await store.list(addressBlockKind)).items[0]?.spec.loans).toEqual([]);
    expect(a.ipam.figures().blocks[0]).toMatchObject({ used: 1, lent: 0, free: 7 });
    await a.ipam.close();
    await b.ipam.close();
  });

  it("does not borrow with strict affinity", async () => {
    const one = poolOf("10.1.0.0/29", 29);
    const a = await start("a");
    const b = await start("b", { settings: { strictAffinity: true } });
    await give(a.ipam, "mine", want(one));
    await expect(give(b.ipam, "theirs", want(one))).rejects.toMatchObject({ code: "ipam.exhausted" });
    await a.ipam.close();
    await b.ipam.close();
  });

  it("gets a whole block from an owner that has an empty one to spare", async () => {
    const two = poolOf("10.1.0.0/29", 30);
    const a = await start("a", { settings: { cooldownMs: 0, idleBlockMs: 1_000_000 } });
    const b = await start("b");
    for (const name of ["1", "2", "3", "4", "5"]) await give(a.ipam, name, want(two));
    const last = a.ipam.holdings.get("c-5/eth0")?.addresses[0]?.block;
    await settle(clock, a.ipam.release(podOwner("5")));
    const holding = await give(b.ipam, "theirs", want(two));
    expect(holding.addresses[0]).toMatchObject({ block: last });
    expect(holding.addresses[0]?.loan).toBeUndefined();
    expect(await blocks()).toContain(`${last} b confirmed`);
    await a.ipam.close();
    await b.ipam.close();
  });

  it("gives up blocks that stay empty, but keeps one", async () => {
    const { ipam } = await start("a", { settings: { cooldownMs: 1000, idleBlockMs: 5000 } });
    const tiny = poolOf("10.1.0.0/24", 31);
    for (const name of ["1", "2", "3", "4", "5"]) await give(ipam, name, want(tiny));
    expect(await blocks()).toHaveLength(3);
    for (const name of ["1", "2", "3", "4", "5"]) await settle(clock, ipam.release(podOwner(name)));
    for (let n = 0; n < 100; n++) {
      clock.advance(100);
      await idle();
    }
    expect(await blocks()).toHaveLength(1);
    await ipam.close();
  });

  it("gives up empty blocks of pools that no longer select it at once", async () => {
    const { ipam } = await start("a", { settings: { cooldownMs: 0 } });
    await give(ipam, "1");
    await settle(clock, ipam.release(podOwner("1")));
    ipam.setWantedPools(new Set(["other"]));
    await settle(clock, idle(20));
    expect(await blocks()).toEqual([]);
    await ipam.close();
  });

  it("claims for a pod that names a pool which selects no node, and gives the block up after it", async () => {
    const { ipam } = await start("a", { settings: { cooldownMs: 0 } });
    ipam.setWantedPools(new Set());
    await settle(clock, idle(20));
    const one = poolOf("10.9.0.0/28", 30);
    for (const round of [1, 2, 3]) {
      expect((await give(ipam, `p${round}`, want(one))).addresses).toHaveLength(1);
      expect(await blocks()).toHaveLength(1);
      await settle(clock, ipam.release(podOwner(`p${round}`)));
      await settle(clock, idle(20));
      expect(await blocks()).toEqual([]);
    }
    await ipam.close();
  });

  it("frees nothing for a release that comes twice, or names an allocation that is over", async () => {
    const { ipam } = await start("a", { settings: { cooldownMs: 0 } });
    const one = poolOf("10.1.0.0/32", 32);
    const first = await give(ipam, "1", want(one));
    expect(await settle(clock, ipam.release(podOwner("1")))).toHaveLength(1);
    const second = await give(ipam, "2", want(one));
    expect(second.addresses[0]?.address).toBe(first.addresses[0]?.address);
    expect(await settle(clock, ipam.release(podOwner("1")))).toHaveLength(0);
    await expect(ipam.releaseAddress("10.1.0.0", first.seq)).rejects.toMatchObject({
      code: "ipam.stale-release",
    });
    expect(ipam.holderOf("10.1.0.0")?.seq).toBe(second.seq);
    await ipam.close();
  });

  it("frees by pod when the container's name is gone", async () => {
    const { ipam } = await start("a");
    await give(ipam, "1");
    expect(await settle(clock, ipam.releasePod({ uid: "uid-1" }))).toHaveLength(1);
    expect(ipam.holdings.size).toBe(0);
    await ipam.close();
  });

  it("collects what belongs to no pod, after a grace", async () => {
    const { ipam } = await start("a");
    await give(ipam, "stays");
    await give(ipam, "goes");
    const living = { pods: [{ uid: "uid-stays", pod: "default/stays" }] };
    expect(await settle(clock, ipam.collect(living, 1000))).toHaveLength(0);
    clock.advance(1000);
    const freed = await settle(clock, ipam.collect(living, 1000));
    expect(freed.map((holding) => holding.owner.pod)).toEqual(["default/goes"]);
    await ipam.close();
  });

  it("collects what was found in use after the journal was lost once nothing uses it", async () => {
    const before = await start("a");
    const used = (await addressOf(before.ipam, "one")) ?? "";
    await before.ipam.close();
    const after = await start("a", {
      inUse: () => Promise.resolve([{ address: used, pod: "default/one", uid: "uid-one" }]),
    });
    await settle(clock, after.ipam.ready());
    const collect = (...addresses: string[]) =>
      settle(clock, after.ipam.collect({ attachments: [], addresses: () => new Set(addresses) }, 1000));
    await collect(used);
    clock.advance(1000);
    expect(await collect(used)).toEqual([]);
    await collect();
    clock.advance(1000);
    expect(await collect()).toHaveLength(1);
    expect(after.ipam.holderOf(used)).toBeUndefined();
    await after.ipam.close();
  });

  it("takes a block up with care when the journal is lost", async () => {
    const before = await start("a");
    const used = await addressOf(before.ipam, "one");
    await before.ipam.close();
    const after = await start("a", {
      inUse: () => Promise.resolve([{ address: used ?? "", pod: "default/one", uid: "uid-one" }]),
    });
    const next = await addressOf(after.ipam, "two");
    expect(next).not.toBe(used);
    expect(after.ipam.holderOf(used ?? "")?.owner.pod).toBe("default/one");
    await settle(clock, after.ipam.release(podOwner("one", "any")));
    expect(after.ipam.holderOf(used ?? "")).toBeUndefined();
    await after.ipam.close();
  });

  it("drops a block that the store gave to somebody else, and says so to its pods", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    await give(before.ipam, "one");
    await before.ipam.close();
    const [block] = (await store.list(addressBlockKind)).items;
    await store.delete(addressBlockKind, block?.metadata.name ?? "");
    const after = await start("a", { disk });
    await settle(clock, after.ipam.ready());
    await expect(give(after.ipam, "one")).rejects.toMatchObject({ code: "ipam.address-elsewhere" });
    expect(after.ipam.figures().blocks).toEqual([]);
    await settle(clock, after.ipam.release(podOwner("one")));
    expect(await addressOf(after.ipam, "one")).toBeDefined();
    await after.ipam.close();
  });

  it("hands out nothing while its Node object is gone", async () => {
    const { ipam } = await start("a");
    await give(ipam, "one");
    ipam.setRegistered(false);
    await expect(give(ipam, "two")).rejects.toMatchObject({ code: "ipam.not-ready" });
    ipam.setRegistered(true);
    expect(await addressOf(ipam, "two")).toBeDefined();
    await ipam.close();
  });

  it.each([
    ["another node's", "b", "10.1.0.5/26"],
    ["its own", "a", "10.1.0.5/26"],
    ["its own, and too large for one", "a", "2001:db8::/32"],
  ])("hands out addresses beside a block with a range that is none: %s", async (_whose, node, cidr) => {
    await store.create(addressBlockKind, {
      ...addressBlockKind,
      kind: "AddressBlock",
      metadata: { name: "by-hand" },
      spec: { cidr, pool: "pool", node, state: "confirmed" },
    });
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    expect(await addressOf(before.ipam, "one")).toBeDefined();
    await before.ipam.close();
    const after = await start("a", { disk });
    expect(await addressOf(after.ipam, "two")).toBeDefined();
    await after.ipam.close();
  });

  it("serves 300 at once from as many blocks as that needs", async () => {
    const { ipam } = await start("a");
    const big = poolOf("10.1.0.0/16", 26);
    const all = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        give(ipam, `p${n}`, want(big)).then((h) => h.addresses[0]?.address),
      ),
    );
    expect(new Set(all).size).toBe(300);
    expect(await blocks()).toHaveLength(5);
    await ipam.close();
  });
});
