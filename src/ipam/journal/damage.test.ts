// Journals that were damaged, and disks that are full: what is in use stays with whom it is, and everything heals.
import { describe, expect, it } from "vitest";
import { addressBlockKind } from "../../api/kinds/address-block.ts";
import type { Store } from "../../store/store.ts";
import {
  type FakeClock,
  FakeDisk,
  Fates,
  idle,
  podOwner,
  poolOf,
  settle,
  type TestNode,
  want,
} from "../harness.suite.ts";
import { everyTest, type TestWorld } from "../world.suite.ts";
import { decodeJournal, encodeLine } from "./records.ts";

let clock: FakeClock;
let store: Store;
let world: TestWorld;
const pool = poolOf("10.1.0.0/29", 29);
everyTest((fresh) => {
  world = fresh;
  ({ clock, store } = fresh);
});

const start: TestWorld["start"] = (name, options) => world.start(name, options);
/** What the journal does not know for sure rests first. */
const restAll = () => clock.advance(30_000);
const give = (node: TestNode, name: string) => world.give(node, name, want(pool));
const use = (name: string, address: string) => ({ address, pod: `default/${name}`, uid: `uid-${name}` });
/** Every line that matches is another one, of the same length. */
function spoil(disk: FakeDisk, pattern: RegExp): void {
  const lines = disk.text.split("\n");
  disk.text = lines.map((line) => (pattern.test(line) ? line.replace(/[0-9]/, "#") : line)).join("\n");
}

describe("a damaged journal", () => {
  it("never frees what a pod that runs has, wherever the damage is", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const held = { one: await give(before, "one"), two: await give(before, "two") };
    const inUse = async () => Object.entries(held).map(([name, address]) => use(name, address));
    before.fates.kill();
    const whole = disk.text;
    for (let at = 0; at < whole.length; at += 7) {
      const spoiled = new FakeDisk();
      spoiled.text = whole;
      spoiled.flip(at, whole.at(-1 - at) === "\n" ? "x" : "\n");
      const node = await start("a", { disk: spoiled, inUse });
      expect(await give(node, "one")).toBe(held.one);
      expect(await give(node, "two")).toBe(held.two);
      restAll();
      const third = await give(node, "three");
      expect([held.one, held.two]).not.toContain(third);
      expect(spoiled.copies).toHaveLength(1);
      expect(decodeJournal(spoiled.text).bad).toEqual([]);
      node.fates.kill();
    }
  });

  it.each(["null\n", encodeLine([null as never]), "\n", "{}\n", `${"\0".repeat(100)}\n`])(
    "never keeps a node from starting: %j",
    async (line) => {
      const disk = new FakeDisk();
      const before = await start("a", { disk });
      const address = await give(before, "one");
      before.fates.kill();
      disk.text = line + disk.text;
      const after = await start("a", { disk });
      expect(await give(after, "one")).toBe(address);
      expect(disk.copies).toHaveLength(1);
      expect(after.ipam.damage).toMatch(/^line 1 of fake cannot be read; .* kept as fake\.damaged-1$/);
    },
  );

  it("counts what others have borrowed as lent, although its own line of that is lost", async () => {
    const disk = new FakeDisk();
    const owner = await start("a", { disk });
    const borrower = await start("b");
    const own = await give(owner, "mine");
    const lent = await give(borrower, "theirs");
    owner.fates.kill();
    spoil(disk, /"lend"/);
    const after = await start("a", { disk });
    restAll();
    const others = [];
    for (let n = 0; n < 6; n++) others.push(await give(after, `p${n}`));
    expect(new Set([own, lent, ...others]).size).toBe(8);
    await idle();
    const [block] = (await store.list(addressBlockKind)).items;
    expect(block?.spec.loans).toMatchObject([{ address: lent, node: "b" }]);
  });

  it("leaves an address with its last borrower, although the end of the loan before and the new loan are lost", async () => {
    const disk = new FakeDisk();
    const owner = await start("a", { disk });
    const [first, second] = [await start("b"), await start("c")];
    await give(owner, "mine");
    const lent = await give(first, "theirs");
    await settle(clock, first.ipam.release(podOwner("theirs")));
    for (let n = 0; n < 400; n++) {
      clock.advance(1000);
      await idle();
    }
    const loans = async () =>
      (await store.list(addressBlockKind)).items.flatMap(({ spec }) => spec.loans ?? []);
    expect(await loans()).toEqual([]);
    expect(await world.give(second, "others", { ...want(pool), address: lent })).toBe(lent);
    owner.fates.kill();
    spoil(disk, /"unlend"/);
    spoil(disk, /"lend".*"c"/);
    await start("a", { disk });
    await idle(20);
    expect(await loans()).toMatchObject([{ address: lent, node: "c" }]);
    expect(second.ipam.holderOf(lent)?.addresses).toMatchObject([{ address: lent }]);
    expect(second.ipam.holderOf(lent)?.addresses[0]?.lost).toBeUndefined();
    // Whoever had it before asks for it in vain.
    await expect(world.give(first, "again", { ...want(pool), address: lent })).rejects.toMatchObject({
      code: expect.stringMatching(/^ipam\./),
    });
  });

  it("gives no number a second time", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    await give(before, "one");
    await give(before, "two");
    const { seq } = before.ipam.holdings.get("c-two/eth0")!;
    before.fates.kill();
    spoil(disk, new RegExp(`"seq":${seq}`));
    const after = await start("a", { disk });
    restAll();
    await give(after, "three");
    expect(after.ipam.holdings.get("c-three/eth0")!.seq).toBeGreaterThan(seq);
  });

  it("is noticed by what pods use, also where every line that is left is whole", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const one = await give(before, "one");
    before.fates.kill();
    // A short write that an earlier version did not notice: the line is simply not there.
    disk.text = disk.text
      .split("\n")
      .filter((line) => !line.includes('"hold"'))
      .join("\n");
    const inUse = async () => [{ ...use("one", one), containerId: "c-one", ifName: "eth0" }];
    const after = await start("a", { disk, inUse });
    restAll();
    for (let n = 0; n < 7; n++) expect(await give(after, `p${n}`)).not.toBe(one);
    // By its own name, so that its DEL finds it.
    expect(after.ipam.holderOf(one)?.owner).toEqual(podOwner("one"));
    expect(await give(after, "one")).toBe(one);
  });
});

describe("a borrowed address", () => {
  it("that a pod uses does not go back to its owner because the borrower's line of it is missing", async () => {
    const owner = await start("a");
    const disk = new FakeDisk();
    const before = await start("b", { disk });
    await give(owner, "mine");
    const lent = await give(before, "theirs");
    before.fates.kill();
    disk.text = disk.text
      .split("\n")
      .filter((line) => !line.includes('"hold"'))
      .join("\n");
    const inUse = async () => [{ ...use("theirs", lent), containerId: "c-theirs", ifName: "eth0" }];
    const after = await start("b", { disk, inUse });
    await settle(clock, after.ipam.ready());
    for (let n = 0; n < 100; n++) {
      clock.advance(1000);
      await idle();
    }
    const [block] = (await store.list(addressBlockKind)).items;
    expect(block?.spec.loans).toMatchObject([{ address: lent, node: "b" }]);
    expect(await give(after, "theirs")).toBe(lent);
  });
});

describe("a disk that is full", () => {
  it("gives out nothing that it cannot write, frees all the same, and heals by itself", async () => {
    let full = false;
    const disk = new FakeDisk();
    const fates = new Fates((what) => (full && what.startsWith("disk") ? "fail-half" : "ok"));
    const node = await start("a", { disk, fates });
    const one = await give(node, "one");
    full = true;
    await expect(give(node, "two")).rejects.toMatchObject({ code: "ipam.journal" });
    expect(node.ipam.fault).toContain("fake");
    await expect(settle(clock, node.ipam.release(podOwner("one")))).rejects.toMatchObject({
      code: "ipam.journal",
    });
    expect(node.ipam.holderOf(one)).toBeUndefined();
    full = false;
    clock.advance(2000);
    await idle(10);
    expect(node.ipam.fault).toBeUndefined();
    expect(decodeJournal(disk.text).bad).toEqual([]);
    node.fates.kill();
    const after = await start("a", { disk });
    expect(after.ipam.holdings.size).toBe(0);
  });

  it("does not keep a node from starting, and pods that have addresses keep them", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const one = await give(before, "one");
    before.fates.kill();
    let full = true;
    const writes = new Set(["disk.append", "disk.replace", "disk.sync"]);
    const fates = new Fates((what) => (full && writes.has(what) ? "fail-before" : "ok"));
    const after = await start("a", { disk, fates });
    expect(after.ipam.holderOf(one)?.owner.pod).toBe("default/one");
    expect(after.ipam.fault).toBeDefined();
    await expect(give(after, "two")).rejects.toMatchObject({
      code: "ipam.journal",
    });
    full = false;
    expect(await give(after, "two")).not.toBe(one);
  });

  it("that does not even read is as good as lost, and what is on it is kept", async () => {
    const disk = new FakeDisk();
    const before = await start("a", { disk });
    const one = await give(before, "one");
    before.fates.kill();
    const whole = disk.text;
    const fates = new Fates((what) => (what === "disk.read" ? "fail-before" : "ok"));
    const after = await start("a", { disk, fates, inUse: async () => [use("one", one)] });
    await settle(clock, after.ipam.ready());
    restAll();
    expect(await give(after, "two")).not.toBe(one);
    expect(disk.copies).toEqual([whole]);
  });
});
