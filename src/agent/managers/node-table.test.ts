import { describe, expect, it } from "vitest";
import type { Nft } from "../../kernel/kernel.ts";
import { NodeTable } from "./node-table.ts";

function recorder(fail: (text: string) => boolean = () => false) {
  const texts: string[] = [];
  const nft: Nft = {
    run: (text) => {
      texts.push(text);
      return fail(text) ? Promise.reject(new RangeError("refused")) : Promise.resolve();
    },
    list: () => Promise.resolve(undefined),
    text: () => Promise.resolve(undefined),
  };
  return { nft, texts };
}

describe("the shared table", () => {
  it("replaces what is there once every part has said what it wants", async () => {
    const { nft, texts } = recorder();
    const table = new NodeTable(nft, ["a", "b"]);
    table.document.setChain("a-one", { rules: ["accept"] });
    await table.commit("a");
    expect(texts).toEqual([]);
    table.document.setChain("b-one", { rules: ["drop"] });
    await table.commit("b");
    expect(texts).toHaveLength(1);
    expect(texts[0]).toContain("delete table inet trunkline");
    expect(texts[0]).toContain("a-one");
  });

  it("writes only what differs afterwards, and nothing where nothing does", async () => {
    const { nft, texts } = recorder();
    const table = new NodeTable(nft, ["a"]);
    await table.commit("a");
    await table.commit("a");
    table.document.setChain("a-one", { rules: ["accept"] });
    await table.commit("a");
    expect(texts).toHaveLength(2);
    expect(texts[1]).not.toContain("delete table");
  });

  it("replaces everything after a refusal, and after others' changes", async () => {
    let refuse = true;
    const { nft, texts } = recorder(() => refuse);
    const table = new NodeTable(nft, ["a"]);
    await expect(table.commit("a")).rejects.toThrow("refused");
    refuse = false;
    await table.commit("a");
    await table.restore();
    expect(texts.map((text) => text.includes("delete table"))).toEqual([true, true, true]);
  });
});
