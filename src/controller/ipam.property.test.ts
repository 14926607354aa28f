// The whole of address allocation, several nodes and the collector, under every kind of failure: no address belongs to
// two pods at a time, and none is lost for ever.
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Step, World, type WorldOptions } from "../ipam/model.suite.ts";
import { IpamCollector } from "./ipam-gc.ts";

const node = fc.nat(2);
const pod = fc.nat(11);
const fate = fc.constantFrom("fail-before", "fail-after", "crash-before", "crash-after");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ type: fc.constant("add"), node, pod, wait: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("add"), node, pod, wait: fc.boolean(), exact: fc.nat(15) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ type: fc.constant("delete"), node, pod, by: fc.constantFrom("owner", "uid") }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("crash"), node }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("wipe"), node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("flip"),
      node,
      places: fc.array(fc.oneof(fc.nat(80), fc.nat()), { minLength: 1, maxLength: 3 }),
      to: fc.constantFrom("\n", "\0", "x", "7"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("full"), node, calls: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("date"), ms: fc.integer({ min: -1e8, max: 1e8 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove"), node }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("return"), node, wiped: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unregister"), node, ms: fc.nat(6000) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("outage"), node, calls: fc.nat(12) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("fuse"), node, calls: fc.nat(8), fate }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("collect"), node }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("reclaim") }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("wait"), ms: fc.nat(8000) }) },
) as fc.Arbitrary<Step>;

/** Small blocks: much claiming. One block for all: borrowing, and addresses that are taken before they have rested. */
const blockSize = fc.constantFrom(30, 29, 28);

const reclaimer: WorldOptions["reclaimer"] = (store, clock, graceMs) => {
  const collector = new IpamCollector({ store, clock, graceMs });
  return () => collector.pass();
};

const runs = Number(process.env["TRUNKLINE_PROPERTY_RUNS"] ?? 60);

it("never gives one address to two pods, and loses none", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 70, size: "max" }),
      blockSize,
      async (steps, size) => {
        const world = new World({ reclaimer, blockSize: size });
        try {
          await world.start();
          for (const one of steps) await world.run(one);
          await world.calm();
          const all = await world.drain(0, 16);
          expect(new Set(all).size).toBe(16);
          await expect(world.drain(1, 1)).rejects.toMatchObject({ code: "ipam.exhausted" });
        } finally {
          await world.stop();
        }
      },
    ),
    { numRuns: runs, endOnFailure: false },
  );
}, 600_000);
