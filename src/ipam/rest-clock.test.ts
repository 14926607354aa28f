// An address rests by a clock that only goes forward, whatever is done to the date.
import { expect, it } from "vitest";
import { systemClock } from "./clock.ts";
import {
  type FakeClock,
  FakeDisk,
  idle,
  podOwner,
  poolOf,
  settle,
  type TestNode,
  want,
} from "./harness.suite.ts";
import { decodeJournal, encodeLine } from "./journal/records.ts";
import { Ledger } from "./ledger.ts";
import { everyTest, type TestWorld } from "./world.suite.ts";

const cooldownMs = 30_000;
const day = 86_400_000;
const pool = poolOf("10.1.0.0/32", 32);
let clock: FakeClock;
let world: TestWorld;
everyTest((fresh) => {
  world = fresh;
  ({ clock } = fresh);
});

async function start(disk = new FakeDisk()): Promise<TestNode> {
  const node = await world.start("a", { disk, settings: { cooldownMs } });
  await settle(clock, node.ipam.ready());
  return node;
}
/** Gives out the pool's only address and takes it back. */
async function giveAndFree({ ipam }: TestNode): Promise<void> {
  await settle(clock, ipam.allocate({ owner: podOwner("one"), wants: [want(pool)] }));
  await settle(clock, ipam.release(podOwner("one")));
}
const rests = ({ ipam }: TestNode) => ipam.figures().blocks[0]?.cooling === 1;
const restart = (node: TestNode) => {
  node.fates.kill();
  return start(node.disk);
};
/** How long (ms, to a tenth of a second) the address still rests. */
function rest(node: TestNode): number {
  let ms = 0;
  for (; rests(node) && ms < 2 * cooldownMs; ms += 100) clock.advance(100);
  return ms;
}

it.each([day, -day, 10_000, -10_000])(
  "a date that is set by %d ms while it rests changes nothing",
  async (ms) => {
    const node = await start();
    await giveAndFree(node);
    clock.advance(10_000);
    clock.setDate(ms);
    expect(rest(node)).toBe(20_000);
  },
);

it.each([day, -day])("nor does one that is set by %d ms while no agent runs", async (ms) => {
  const node = await start();
  await giveAndFree(node);
  clock.advance(10_000);
  node.fates.kill();
  clock.setDate(ms);
  clock.advance(5_000);
  const before = clock.steady();
  const after = await start(node.disk);
  const passed = clock.steady() - before;
  expect(rest(after)).toBe(15_000 - passed);
});

it("after a restart of the machine the time since then counts, and nothing before", async () => {
  let node = await start();
  await giveAndFree(node);
  node.fates.kill();
  clock.reboot();
  clock.setDate(day);
  clock.advance(12_000);
  node = await restart(node);
  expect(rests(node)).toBe(true);
  rest(node);
  expect(clock.steady()).toBe(cooldownMs);
});

it("dates of an earlier version are read as they are, and one of the future as now", async () => {
  const node = await start();
  await giveAndFree(node);
  node.fates.kill();
  const { records } = decodeJournal(node.disk.text);
  const old = (at: number) => {
    const disk = new FakeDisk();
    disk.text = records
      .filter(({ op }) => op !== "clock")
      .map((record) => encodeLine(["at" in record && record.op === "free" ? { ...record, at } : record]))
      .join("");
    return disk;
  };
  const earlier = await start(old(clock.now() - 10_000));
  expect(rest(earlier)).toBeLessThanOrEqual(20_000);
  earlier.fates.kill();
  const future = await start(old(clock.now() + day));
  const left = rest(future);
  expect(left).toBeGreaterThan(cooldownMs - 2_000);
  expect(left).toBeLessThanOrEqual(cooldownMs);
});

it("who reads a journal from outside sees the same", async () => {
  const node = await start();
  await giveAndFree(node);
  clock.advance(10_000);
  await idle();
  clock.setDate(-day);
  const ledger = new Ledger();
  for (const record of decodeJournal(node.disk.text).records) ledger.apply(record);
  const figures = (ms: number) =>
    [...ledger.blocks.values()][0]?.figures(ledger.timeOf(clock) + ms, cooldownMs);
  expect(figures(19_900)).toMatchObject({ cooling: 1 });
  expect(figures(20_000)).toMatchObject({ cooling: 0 });
});

it("the machine's own clock goes forward and names the machine's run", () => {
  const first = systemClock.steady();
  expect(systemClock.steady()).toBeGreaterThanOrEqual(first);
  expect(systemClock.boot).toMatch(/^[0-9a-f-]{36}$/);
  expect(systemClock.boot).toBe(systemClock.boot);
});
