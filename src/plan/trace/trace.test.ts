import { describe, expect, it } from "vitest";
import { parseIp } from "../../base/ip.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { parseRule } from "./rule.ts";
import { readListing, tableOf } from "./table.ts";
import { trace } from "./trace.ts";

const packet = {
  source: parseIp("10.0.0.1"),
  destination: parseIp("10.0.0.2"),
  protocol: 6,
  port: 80,
  in: { name: "tl0", group: 0x544c0000 },
  out: { name: "eth0", group: 0 },
};
const six = { ...packet, source: parseIp("fd00::1"), destination: parseIp("fd00::2") };

function walk(rules: readonly string[], more: Partial<typeof packet> & object = {}) {
  const table = new NftTable("inet", "t");
  table.setSet("from", { key: ["ifname", "ipv4_addr"], value: "verdict" });
  table.setElement("from", '"tl0" . 10.0.0.1', "goto sub");
  table.setSet("class", { key: ["ipv4_addr"], value: ["classid"] });
  table.setElement("class", "10.0.0.2", "ab:cd");
  table.setSet("row", { key: ["classid", "ipv4_addr"], value: "verdict" });
  table.setElement("row", "ab:cd . 10.0.0.1", "jump sub");
  table.setSet("port", { key: ["classid", "ipv4_addr", "inet_proto", "inet_service"] });
  table.setElement("port", "ab:cd . 10.0.0.1 . tcp . 80");
  table.setSet("some", { key: ["ipv4_addr"], interval: true });
  table.setElement("some", "10.0.0.0/30");
  table.setElement("some", "10.0.1.5-10.0.1.9");
  table.setSet("ports", { key: ["inet_service"], interval: true });
  table.setElement("ports", "79-81");
  table.setChain("sub", { rules: ["tcp dport 81 drop"] });
  table.setChain("back", { rules: ["return", "drop"] });
  table.setChain("over", { rules: ["goto back", "drop"] });
  table.setChain("base", { base: { type: "filter", hook: "forward", priority: 0, policy: "drop" }, rules });
  const { verdict } = trace(tableOf(table), ["forward"], { ...packet, ...more });
  return verdict;
}

const onPort =
  "meta priority set ip daddr map @class meta priority . ip saddr . meta l4proto . th dport @port accept";

describe("one rule", () => {
  it.each([
    ["accept", {}, "accept"],
    [onPort, {}, "accept"],
    [onPort, { port: 81 }, "drop"],
    [onPort, { protocol: 17 }, "drop"],
    // What stands there in ICMP is no port.
    [onPort, { protocol: 1 }, "drop"],
    [onPort, { destination: parseIp("10.0.0.3") }, "drop"],
    ["counter drop", {}, "drop"],
    ["reject with tcp reset", {}, "reject"],
    ["ip saddr 10.0.0.1 accept", {}, "accept"],
    ["ip saddr 10.0.0.0/31 accept", {}, "accept"],
    ["ip saddr 10.0.0.2 accept", {}, "drop"],
    ["ip saddr != 10.0.0.2 accept", {}, "accept"],
    // What asks for IPv4 is nothing to IPv6, whichever way it asks.
    ["ip saddr != 10.0.0.2 accept", six, "drop"],
    ["ip6 saddr { ::, fd00::/16 } accept", six, "accept"],
    ['iifname != "tl*" accept', {}, "drop"],
    ['iifname "tl*" accept', {}, "accept"],
    ["iifgroup & 0xffff0000 == 0x544c0000 accept", {}, "accept"],
    ["iifgroup 1414266880/16 accept", {}, "accept"],
    ["oifgroup & 0xffff0000 != 0x544c0000 accept", {}, "accept"],
    ["oifgroup != 1414266880/16 accept", { out: packet.in }, "drop"],
    // Without a link there is no group to compare.
    ["oifgroup != 1414266880/16 accept", { out: undefined }, "drop"],
    ["oif 0 accept", { out: undefined }, "accept"],
    ["oif 0 accept", {}, "drop"],
    ["ct state established,related accept", {}, "drop"],
    ["ct state established,related accept", { state: "related" }, "accept"],
    ["ct state & (established | related) == 0 accept", {}, "accept"],
    ["ct state ! established,related accept", {}, "accept"],
    ["ct state ! established,related accept", { state: "established" }, "drop"],
    ["ct direction reply accept", {}, "drop"],
    ["tcp flags & (fin | syn | rst | ack) != syn accept", {}, "drop"],
    ["tcp flags & (fin | syn | rst | ack) != syn accept", { tcpFlags: ["syn", "ack"] }, "accept"],
    ["tcp flags != syn / fin,syn,rst,ack accept", { tcpFlags: ["ack"] }, "accept"],
    ["tcp flags != syn / fin,syn,rst,ack accept", { tcpFlags: ["syn", "psh"] }, "drop"],
    ["tcp dport { 79, 80 } accept", {}, "accept"],
    ["tcp dport 70-90 accept", {}, "accept"],
    ["tcp dport @ports accept", {}, "accept"],
    ["udp dport 80 accept", {}, "drop"],
    ["meta l4proto != { tcp, udp, sctp } accept", {}, "drop"],
    ["meta l4proto != { tcp, udp, sctp } accept", { protocol: 1 }, "accept"],
    ["@nh,0,8 != 0x45 accept", {}, "drop"],
    ["@nh,0,8 != 0x45 accept", six, "accept"],
    ["ip saddr @some accept", {}, "accept"],
    ["ip saddr @some accept", { source: parseIp("10.0.1.9") }, "accept"],
    ["ip saddr @some accept", { source: parseIp("10.0.1.10") }, "drop"],
    ["meta priority set ip daddr map @class meta priority . ip saddr vmap @row accept", {}, "accept"],
    // Where the first look-up finds nothing, the rule ends.
    ["meta priority set ip saddr map @class accept", {}, "drop"],
    [
      "icmpv6 type { nd-neighbor-solicit, nd-redirect } accept",
      { ...six, protocol: 58, icmpType: "nd-redirect" },
      "accept",
    ],
    ["icmpv6 type { nd-neighbor-solicit, nd-redirect } accept", { ...six, protocol: 58 }, "drop"],
  ] as const)("%s", (rule, more, expected) => {
    expect(walk([rule], more as object)).toBe(expected);
  });
});

describe("chains", () => {
  it.each([
    ["a jump comes back", ["jump sub", "accept"], "accept"],
    ["a goto does not", ["goto sub", "accept"], "drop"],
    ["nor does a goto in a map", ["iifname . ip saddr vmap @from", "accept"], "drop"],
    ["a return leaves its chain only", ["jump back", "accept"], "accept"],
    ["after a goto the chain before it goes on", ["jump over", "accept"], "accept"],
    ["a verdict in a chain that was jumped to ends it all", ["jump sub", "accept"], "drop", { port: 81 }],
  ] as const)("%s", (_, rules, expected, more: object = {}) => expect(walk(rules, more)).toBe(expected));

  it("are told with what was found, in order", () => {
    const table = new NftTable("inet", "t");
    table.setSet("m", { key: ["ipv4_addr"], value: "verdict" });
    table.setElement("m", "10.0.0.1", "jump sub");
    table.setChain("sub", { rules: ["udp dport 1 drop", "tcp dport 80 accept"] });
    table.setChain("base", {
      base: { type: "filter", hook: "forward", priority: 0 },
      rules: ["ip saddr vmap @m"],
    });
    expect(trace(tableOf(table), ["prerouting", "forward"], packet).steps).toEqual([
      {
        hook: "forward",
        chain: "base",
        rule: "ip saddr vmap @m",
        element: "10.0.0.1 : jump sub",
        does: "jump sub",
      },
      { hook: "forward", chain: "sub", rule: "tcp dport 80 accept", does: "accept" },
    ]);
  });

  it("that are not understood say so, and nothing else", () => {
    expect(() => walk(["limit rate 3/second accept"])).toThrow("not understood");
    expect(() => walk(["jump nowhere"])).toThrow("not understood");
    expect(() => parseRule("ip saddr 10.0.0.1 frobnicate")).toThrow("not understood");
    expect(() => walk(["ip saddr 10.0.0.1 frobnicate"])).toThrow("not understood");
  });
});

describe("a listing of nft", () => {
  const listing = `table inet trunkline {
\tmap policy-in-row4 {
\t\ttype classid . ipv4_addr : verdict
\t\tcounter
\t\telements = { 5033:47c1 . 10.0.0.2 counter packets 3 bytes 180 : jump ports,
\t\t\t     cdde:762f . 10.0.0.2 counter packets 0 bytes 0 : jump ports }
\t}

\tmap peers {
\t\ttype ipv4_addr : classid
\t\telements = { 10.0.0.1 : 5033:47c1 }
\t}

\tset empty {
\t\ttype ipv4_addr
\t}

\tchain forward {
\t\ttype filter hook forward priority filter - 10; policy accept;
\t\tip saddr @empty accept
\t\tmeta priority set ip saddr map @peers meta priority . ip daddr vmap @policy-in-row4
\t\tcounter packets 7 bytes 420 drop
\t}

\tchain ports {
\t\ttcp dport 80 meta priority set none accept
\t}
}
`;

  it("is read with its counters", () => {
    const table = readListing(listing);
    expect(table.chains.get("forward")?.base).toEqual({
      type: "filter",
      hook: "forward",
      priority: -10,
      policy: "accept",
    });
    const allowed = trace(table, ["forward"], packet);
    expect(allowed.verdict).toBe("accept");
    expect(allowed.steps[0]).toMatchObject({ does: "jump ports", counter: { packets: 3, bytes: 180 } });
    const refused = trace(table, ["forward"], { ...packet, port: 81 });
    expect(refused.verdict).toBe("drop");
    expect(refused.steps.at(-1)).toMatchObject({ does: "drop", counter: { packets: 7, bytes: 420 } });
    expect(() => readListing("Error: No such file")).toThrow("no listing");
  });
});
