import { expect, it } from "vitest";
import { besidePrinted } from "./foreign-nat.ts";

const chain = (name: string, more: object = {}) => ({ chain: { family: "ip", table: "nat", name, ...more } });
const rule = (of: string, ...expr: object[]) => ({ rule: { family: "ip", table: "nat", chain: of, expr } });
const hooked = { type: "nat", hook: "postrouting", prio: 100 };

it("of a table that iptables shares with others it keeps their base chains and what these lead to", () => {
  const vmap = { vmap: { key: "x", data: { set: [["a", { goto: { target: "deeper" } }]] } } };
  const json = [
    { table: { family: "ip", name: "nat" } },
    chain("POSTROUTING", hooked),
    rule("POSTROUTING", { jump: { target: "KUBE" } }),
    chain("KUBE"),
    rule("KUBE", { masquerade: null }),
    chain("postrouting", hooked),
    rule("postrouting", { match: {} }, { jump: { target: "side" } }),
    chain("side"),
    rule("side", vmap),
    chain("deeper"),
    rule("deeper", { masquerade: null }),
  ];
  const printed = new Set(["POSTROUTING", "KUBE", "side", "deeper"]);
  expect(besidePrinted(json, printed)).toEqual([json[0], ...json.slice(5)]);
  expect(besidePrinted(json, new Set())).toEqual(json);
});
