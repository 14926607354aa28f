import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidrOf, formatCidr } from "../../../base/ip.ts";
import type { ClusterFacts } from "../../facts.ts";
import { facts as plainFacts } from "../facts.suite.ts";
import { nodeWith, pool } from "./facts.suite.ts";
import { guardOf } from "./filters.ts";
import { guardedRanges, guardsOf } from "./ranges.ts";

/** In 10.0.0.0/27, so that ranges often lie in each other. */
const range = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 27, max: 32 }))
  .map(([low, length]) => ({ address: `10.0.0.${low}`, length, cidr: cidrAt(low, length) }));

function cidrAt(low: number, length: number): string {
  return formatCidr(cidrOf({ family: 4, value: 0x0a00_0000n + BigInt(low) }, length));
}

describe("the ranges that BIRD guards", () => {
  it("refuse what all of them do, and none lies in another", () => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 2 }),
        fc.array(fc.tuple(range, fc.boolean()), { maxLength: 4 }),
        range,
        (pools, nodes, asked) => {
          const facts: ClusterFacts = {
            ...plainFacts(
              nodes.map(([{ address, length }, known], at) =>
                nodeWith(`n${at}`, {
                  addresses: [address],
                  annotations: known ? { "trunkline.dev/node-network": `${address}/${length}` } : {},
                }),
              ),
              [],
            ),
            pools: new Map(pools.map(({ cidr }, at) => pool(`p${at}`, { cidr }))),
          };
          const few = guardedRanges(facts, 4);
          const guard = (cidrs: readonly string[]) =>
            guardOf(
              asked.cidr,
              cidrs.map((cidr) => ({ cidr, of: "" })),
            ) !== undefined;
          expect(guard(few)).toBe(guard(guardsOf(facts, 4).map(({ cidr }) => cidr)));
          for (const one of few)
            for (const other of few)
              if (one !== other) expect(guardOf(one, [{ cidr: other, of: "" }])).toBeUndefined();
          expect(guardedRanges(facts, 4, few)).toBe(few);
        },
      ),
    );
  });
});
