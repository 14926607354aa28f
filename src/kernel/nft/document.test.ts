import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NftTable } from "./document.ts";
import { NftModel } from "./model.suite.ts";
import { mutate, mutations } from "./mutations.suite.ts";

function example(): NftTable {
  const table = new NftTable("inet", "trunkline");
  table.setSet("to", { key: ["ifname", "ipv4_addr"], value: "verdict" });
  table.setSet("blocks", { key: ["ipv4_addr"], value: "verdict", interval: true, counter: true });
  table.setChain("ports", { rules: ["meta l4proto . th dport { tcp . 80, udp . 100-200 } accept"] });
  table.setChain("in", {
    base: { type: "filter", hook: "forward", priority: -10 },
    rules: ["oifname . ip daddr vmap @to", "ip saddr vmap @blocks"],
  });
  table.setElement("to", '"tl0" . 10.0.0.1', "goto ports");
  table.setElement("blocks", "10.0.0.0-10.0.0.7", "jump ports");
  return table;
}

describe("NftTable", () => {
  it("writes the whole table in a fixed order", () => {
    expect(example().render()).toBe(`table inet trunkline {
  map blocks { type ipv4_addr : verdict; flags interval; counter; }
    10.0.0.0-10.0.0.7 : jump ports
  map to { type ifname . ipv4_addr : verdict; }
    "tl0" . 10.0.0.1 : goto ports
  chain in { type filter hook forward priority -10; policy accept; }
    oifname . ip daddr vmap @to
    ip saddr vmap @blocks
  chain ports
    meta l4proto . th dport { tcp . 80, udp . 100-200 } accept
}
`);
  });

  it("replaces whatever is there in one transaction", () => {
    expect(example().replaceAll().split("\n").slice(0, 4)).toEqual([
      "add table inet trunkline",
      "delete table inet trunkline",
      "add table inet trunkline",
      "add chain inet trunkline in { type filter hook forward priority -10; policy accept; }",
    ]);
  });

  it("writes only what differs, names before what names them and removals after", () => {
    const table = example();
    table.committed();
    expect(table.pending()).toEqual([]);
    table.setChain("more", { rules: ["accept"] });
    table.setElement("to", '"tl0" . 10.0.0.1', "goto more");
    table.setElement("to", '"tl1" . 10.0.0.2', "accept");
    table.removeElement("blocks", "10.0.0.0-10.0.0.7");
    table.removeChain("ports");
    expect(table.pending()).toEqual([
      `flush chain inet trunkline ports
delete element inet trunkline blocks { 10.0.0.0-10.0.0.7 }
delete element inet trunkline to { "tl0" . 10.0.0.1 }
add chain inet trunkline more
add element inet trunkline to { "tl0" . 10.0.0.1 : goto more, "tl1" . 10.0.0.2 : accept }
add rule inet trunkline more accept
delete chain inet trunkline ports
`,
    ]);
  });

  it("forgets changes that were taken back", () => {
    const table = example();
    table.committed();
    table.setElement("to", '"tl0" . 10.0.0.1', "accept");
    table.setElement("to", '"tl0" . 10.0.0.1', "goto ports");
    table.setElement("to", '"tl9" . 10.0.0.9', "accept");
    table.removeElement("to", '"tl9" . 10.0.0.9');
    const ports = table.chain("ports") ?? { rules: [] };
    table.setChain("ports", { rules: ["drop"] });
    table.setChain("ports", ports);
    table.setSet("new", { key: ["mark"] });
    table.removeSet("new");
    expect(table.dirty).toBe(false);
  });

  it("fills large new sets ahead and makes them visible at once", () => {
    const table = new NftTable("inet", "trunkline");
    table.setSet("many", { key: ["ipv4_addr"] });
    for (let i = 0; i < 2500; i++) table.setElement("many", `10.0.${i >> 8}.${i & 255}`);
    table.setChain("in", {
      base: { type: "filter", hook: "forward", priority: 0 },
      rules: ["ip saddr @many drop"],
    });
    const texts = table.pending(1000);
    expect(texts).toHaveLength(5);
    expect(texts.map((text) => text.includes("add rule"))).toEqual([false, false, false, false, true]);
    const model = new NftModel();
    for (const text of texts) model.run(text);
    const whole = new NftModel();
    whole.run(table.replaceAll());
    expect(model.dump("inet trunkline")).toBe(whole.dump("inet trunkline"));
  });

  const bad: readonly [string, (table: NftTable) => void][] = [
    ["a name with a space", (table) => table.setChain("a b", { rules: [] })],
    ["a name that ends a statement", (table) => table.setSet("a;b", { key: ["mark"] })],
    ["a rule of two statements", (table) => table.setChain("a", { rules: ["accept; drop"] })],
    ["a rule of two lines", (table) => table.setChain("a", { rules: ["accept\ndrop"] })],
    ["a rule that closes its chain", (table) => table.setChain("a", { rules: ["accept }"] })],
    ["an empty rule", (table) => table.setChain("a", { rules: [" "] })],
    ["an element of another type", (table) => table.setElement("to", "10.0.0.1", "accept")],
    ["an address of the other family", (table) => table.setElement("to", '"tl0" . fd00::1', "accept")],
    ["a range where none is allowed", (table) => table.setElement("to", '"tl0" . 10.0.0.0/8', "accept")],
    ["an interface name with a quote", (table) => table.setElement("to", '"tl"0" . 10.0.0.1', "accept")],
    ["a verdict that is none", (table) => table.setElement("to", '"tl0" . 10.0.0.1', "accept }")],
    ["an element of a set that is not there", (table) => table.setElement("none", "10.0.0.1")],
  ];
  it.each(bad)("refuses %s", (_, change) => {
    expect(() => change(example())).toThrow(/nftables/);
  });

  it("takes every step in an order that the kernel accepts, to the same table as a whole replacement", () => {
    fc.assert(
      fc.property(mutations, fc.constantFrom(1, 5, 1000), (steps, limit) => {
        const table = new NftTable("inet", "trunkline");
        const model = new NftModel();
        for (const step of [...steps, { kind: "commit", a: 0, b: 0, c: 0 } as const]) {
          mutate(table, step);
          if (step.kind !== "commit") continue;
          for (const text of table.pending(limit)) model.run(text);
          table.committed();
        }
        const whole = new NftModel();
        whole.run(table.replaceAll());
        expect(model.dump("inet trunkline")).toBe(whole.dump("inet trunkline"));
      }),
      { numRuns: 300 },
    );
  });

  it("refills whatever is there to the same table as a whole replacement, where definitions agree", () => {
    let refilled = 0;
    fc.assert(
      fc.property(mutations, mutations, (past, wanted) => {
        const [old, table] = [new NftTable("inet", "trunkline"), new NftTable("inet", "trunkline")];
        for (const step of past) mutate(old, step);
        for (const step of wanted) mutate(table, step);
        const [model, whole] = [new NftModel(), new NftModel()];
        model.run(old.replaceAll());
        whole.run(table.replaceAll());
        const present = model.present("inet trunkline");
        if (present === undefined) return;
        try {
          model.run(table.refill(present, new Map()));
        } catch (error) {
          expect(String(error)).toMatch(/another (set|chain) of this name exists|of the other kind/);
          return;
        }
        refilled++;
        expect(model.dump("inet trunkline")).toBe(whole.dump("inet trunkline"));
      }),
      { numRuns: 300 },
    );
    expect(refilled).toBeGreaterThan(20);
  });

  it("wakes the table, and leaves alone the sets that are right already", () => {
    const table = example();
    table.setSet("nets", { key: ["ipv4_addr"], interval: true });
    table.setElement("nets", "10.0.0.0-10.0.0.9");
    const present = { chains: ["in", "gone"], sets: ["nets"], maps: ["to"] };
    const listed = { family: "inet", table: "trunkline", name: "nets", handle: 1, type: "ipv4_addr" };
    const refilled = (elem: unknown[], more = {}) =>
      table.refill(present, new Map([["nets", { ...listed, flags: ["interval"], elem, ...more }]]));
    const right = refilled([{ range: ["10.0.0.0", "10.0.0.9"] }]);
    expect(right).toMatch(/^add table inet trunkline\n/);
    expect(right).not.toContain("nets");
    expect(right).toContain("delete chain inet trunkline gone");
    for (const text of [
      refilled([]),
      refilled([{ range: ["10.0.0.0", "10.0.0.9"] }, "10.0.0.11"]),
      refilled([{ range: ["10.0.0.0", "10.0.0.9"] }], { timeout: 60 }),
      refilled([{ elem: { val: { range: ["10.0.0.0", "10.0.0.9"] }, timeout: 60 } }]),
    ]) {
      expect(text).toContain("flush set inet trunkline nets");
      expect(text).toContain("add element inet trunkline nets { 10.0.0.0-10.0.0.9 }");
    }
  });

  it("sends new ranges ahead of what uses them", () => {
    const table = example();
    table.committed();
    table.setSet("more", { key: ["ipv4_addr"], value: "verdict", interval: true });
    table.setElement("more", "10.1.0.0-10.1.0.9", "accept");
    table.setChain("in", {
      base: { type: "filter", hook: "forward", priority: -10 },
      rules: ["ip saddr vmap @more"],
    });
    const texts = table.pending();
    expect(texts.map((text) => [text.includes("10.1.0.0"), text.includes("add rule")])).toEqual([
      [false, false],
      [true, false],
      [false, true],
    ]);
  });
});
