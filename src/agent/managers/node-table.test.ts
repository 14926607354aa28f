import { describe, expect, it } from "vitest";
import { TrunklineError } from "../../base/errors.ts";
import type { Nft } from "../../kernel/kernel.ts";
import { changeText } from "../../kernel/nft/text.ts";
import { NodeTable } from "./node-table.ts";

/** @param chains that the kernel's table has already */
function recorder(chains: readonly string[] = [], fail: (text: string) => boolean = () => false) {
  const texts: string[] = [];
  const nft: Nft = {
    change: (heading, changes) => nft.run(changeText(heading, changes)),
    run: (text) => {
      texts.push(text);
      const refused = new TrunklineError("kernel.nft", { text: "refused", commands: text });
      return fail(text) ? Promise.reject(refused) : Promise.resolve();
    },
    present: () => Promise.resolve({ chains, sets: [], maps: [] }),
    hasChain: () => Promise.resolve(true),
    list: () => Promise.resolve(undefined),
    text: () => Promise.resolve(undefined),
  };
  return { nft, texts };
}

describe("the shared table", () => {
  it("takes over each part's own objects, and those of no part once every part is in force", async () => {
    const { nft, texts } = recorder(["a-old", "b-old", "stranger"]);
    const table = new NodeTable(nft, ["a", "b"]);
    table.document("a").setChain("a-one", { rules: ["accept"] });
    await table.commit("a");
    expect(texts).toHaveLength(1);
    expect(texts[0]).toContain("delete chain inet trunkline a-old");
    expect(texts[0]).toContain("add chain inet trunkline a-one");
    expect(texts[0]).not.toMatch(/b-old|stranger|delete table/);
    table.document("b").setChain("b-one", { rules: ["drop"] });
    await table.commit("b");
    expect(texts[1]).toContain("delete chain inet trunkline b-old");
    expect(texts.slice(2)).toEqual([
      "flush chain inet trunkline stranger\ndelete chain inet trunkline stranger\n",
    ]);
  });

  it("writes only what differs afterwards, and nothing where nothing does", async () => {
    const { nft, texts } = recorder();
    const table = new NodeTable(nft, ["a"]);
    await table.commit("a");
    await table.commit("a");
    table.document("a").setChain("a-one", { rules: ["accept"] });
    await table.commit("a");
    expect(texts).toHaveLength(2);
    expect(texts[1]).not.toContain("flush");
  });

  it("writes a part anew after a refusal, and after others' changes", async () => {
    let refuse = true;
    const { nft, texts } = recorder([], () => refuse);
    const table = new NodeTable(nft, ["a"]);
    table.document("a").setChain("a-one", { rules: ["accept"] });
    await expect(table.commit("a")).rejects.toMatchObject({ code: "kernel.nft" });
    refuse = false;
    await table.commit("a");
    await table.restore("a");
    expect(texts.filter((text) => text.includes("add rule inet trunkline a-one accept"))).toHaveLength(
      texts.length,
    );
  });

  it("keeps no part out of force for what is refused of another one", async () => {
    const { nft, texts } = recorder([], (text) => text.includes("nonsense"));
    const table = new NodeTable(nft, ["a", "b"]);
    table.document("a").setChain("a-bad", { rules: ["nonsense"] });
    await expect(table.commit("a")).rejects.toMatchObject({ code: "kernel.nft" });
    table.document("b").setChain("b-one", { rules: ["accept"] });
    await table.commit("b");
    expect(texts.at(-1)).toContain("add rule inet trunkline b-one accept");
    await expect(table.restore("a")).rejects.toMatchObject({ code: "kernel.nft" });
    await table.restore("b");
    table.document("a").removeChain("a-bad");
    await table.commit("a");
  });
});
