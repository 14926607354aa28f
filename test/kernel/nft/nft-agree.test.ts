// The fake nftables against the real one: both take and refuse the same transactions, and hold the same afterwards.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isError } from "../../../src/base/errors.ts";
import { fakeMachine, type Nft } from "../../../src/kernel/index.ts";
import { NftTable } from "../../../src/kernel/nft/document.ts";
import { mutate, mutations } from "../../../src/kernel/nft/mutations.suite.ts";
import { makeScene } from "../scene.ts";

const scene = makeScene();

type Json = Record<string, unknown>;

/** What a namespace holds, without handles and in one order. Elements are told by their texts. */
async function contents(nft: Nft): Promise<unknown> {
  const found = (await nft.list("list ruleset")) ?? [];
  const lines = found.flatMap((object) => {
    const [[kind, facts]] = Object.entries(object) as [[string, Json]];
    const { family, table, name, chain } = facts;
    if (kind === "metainfo") return [];
    const elements = ((facts["elem"] ?? []) as unknown[])
      .map((one) => JSON.stringify(one))
      .toSorted((a, b) => (a < b ? -1 : 1));
    return [[kind, family, table ?? "", name ?? chain, ...elements].join(" ")];
  });
  return lines.toSorted((a, b) => (a < b ? -1 : 1));
}

async function accepts(nft: Nft, commands: string): Promise<boolean> {
  try {
    await nft.run(commands);
    return true;
  } catch (error) {
    if (isError(error, "kernel.nft")) return false;
    throw error;
  }
}

const name = fc.constantFrom("a", "b");
const address = fc.constantFrom("10.0.0.1", "10.0.0.2");
const verdict = fc.oneof(
  fc.constantFrom("accept", "drop"),
  name.map((target) => `goto c-${target}`),
);
const rule = fc.oneof(
  fc.constant("accept"),
  name.map((set) => `ip saddr @s-${set} drop`),
  name.map((map) => `ip saddr vmap @m-${map}`),
);
// Rules do not jump to chains by themselves: a loop's refusal has rules of its own, which the fake does not know.
const command = fc.oneof(
  fc.constantFrom("add table inet t", "flush table inet t"),
  fc
    .tuple(fc.constantFrom("add", "create", "delete", "flush"), name)
    .map(([verb, n]) => `${verb} chain inet t c-${n}`),
  fc.tuple(fc.constantFrom("delete", "flush"), name).map(([verb, n]) => `${verb} set inet t s-${n}`),
  fc.tuple(fc.constantFrom("delete", "flush"), name).map(([verb, n]) => `${verb} map inet t m-${n}`),
  fc
    .tuple(fc.constantFrom("add", "create"), name)
    .map(([verb, n]) => `${verb} set inet t s-${n} { type ipv4_addr; }`),
  name.map((n) => `add map inet t m-${n} { type ipv4_addr : verdict; }`),
  fc
    .tuple(fc.constantFrom("add", "delete"), name, address)
    .map(([verb, n, a]) => `${verb} element inet t s-${n} { ${a} }`),
  fc.tuple(name, address, verdict).map(([n, a, v]) => `add element inet t m-${n} { ${a} : ${v} }`),
  fc.tuple(name, address).map(([n, a]) => `delete element inet t m-${n} { ${a} }`),
  fc.tuple(name, rule).map(([n, text]) => `add rule inet t base-${n} ${text}`),
  name.map((n) => `add chain inet t base-${n} { type filter hook forward priority 0; policy accept; }`),
);
const transactions = fc.array(fc.array(command, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 12,
});
/** What every walk starts with: from nothing, nearly all commands would be refused. */
const start = [
  "add table inet t",
  ...["a", "b"].flatMap((n) => [
    `add chain inet t c-${n}`,
    `add chain inet t base-${n} { type filter hook forward priority 0; policy accept; }`,
    `add set inet t s-${n} { type ipv4_addr; }`,
    `add map inet t m-${n} { type ipv4_addr : verdict; }`,
  ]),
].join("\n");

describe("fake and real nftables", () => {
  it("take and refuse the same transactions", async () => {
    const { kernel } = scene.space();
    await fc.assert(
      fc.asyncProperty(transactions, async (list) => {
        const fake = fakeMachine().open("self").nft;
        await kernel.nft.run("flush ruleset");
        for (const commands of [start, ...list.map((one) => one.join("\n"))]) {
          const [real, ours] = [await accepts(kernel.nft, commands), await accepts(fake, commands)];
          expect(ours, commands).toBe(real);
        }
        expect(await contents(fake)).toEqual(await contents(kernel.nft));
      }),
      { numRuns: 60 },
    );
  });

  it("both follow a table's desired state", async () => {
    const { kernel } = scene.space();
    await fc.assert(
      fc.asyncProperty(mutations, fc.constantFrom(2, 1000), async (steps, limit) => {
        const fake = fakeMachine().open("self").nft;
        await kernel.nft.run("flush ruleset");
        const table = new NftTable("inet", "t");
        const commit = async (): Promise<void> => {
          for (const step of table.steps(limit))
            for (const nft of [kernel.nft, fake])
              if ("text" in step) await nft.run(step.text);
              else await nft.change({ family: "inet", table: "t" }, step.changes);
          table.committed();
        };
        for (const step of steps) {
          mutate(table, step);
          if (step.kind === "commit") await commit();
        }
        await commit();
        expect(await contents(fake)).toEqual(await contents(kernel.nft));
      }),
      { numRuns: 60 },
    );
  });
});
