import { describe, expect, it } from "vitest";
import { commandsOf, elementsOf, statements } from "./parse.ts";

describe("statements", () => {
  it("end at semicolons and lines, but not within braces and quotes", () => {
    const text =
      'add table t; add chain t c { type filter; policy drop; } # why\nadd rule t c comment "a;b#c" accept\n\n';
    expect(statements(text)).toEqual([
      "add table t",
      "add chain t c { type filter; policy drop; }",
      'add rule t c comment "a;b#c" accept',
    ]);
  });
});

describe("commandsOf", () => {
  it("reads family, table, name and body", () => {
    expect(commandsOf("add element inet t s { 10.0.0.1, 10.0.0.2 }\ndelete chain t c")).toMatchObject([
      { verb: "add", kind: "element", family: "inet", table: "t", name: "s", body: "10.0.0.1, 10.0.0.2" },
      { verb: "delete", kind: "chain", family: "ip", table: "t", name: "c", body: "" },
    ]);
  });

  it("takes a block apart: definitions, then elements, then rules", () => {
    const block = `table inet t {
      set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
      chain c { type filter hook input priority 0; policy accept; ip saddr @s drop; }
    }`;
    const found = commandsOf(block);
    expect(Array.isArray(found) && found.map(({ kind, body }) => [kind, body])).toEqual([
      ["table", ""],
      ["set", "type ipv4_addr; flags interval;"],
      ["chain", "type filter hook input priority 0; policy accept;"],
      ["element", "10.0.0.0/8"],
      ["rule", "ip saddr @s drop"],
    ]);
  });

  it("refuses what it does not know", () => {
    expect(commandsOf("burn table t")).toContain("unexpected burn");
    expect(commandsOf("add castle t")).toContain("unexpected castle");
    expect(commandsOf("add chain t c type filter")).toContain("unexpected type");
  });
});

describe("elementsOf", () => {
  it("parts keys from values, also where keys have colons", () => {
    expect(elementsOf("fd00::1 . 80 : jump c,\n fd00::2 . 81 : drop")).toEqual([
      { key: "fd00::1 . 80", value: "jump c" },
      { key: "fd00::2 . 81", value: "drop" },
    ]);
  });
});
