import { describe, expect, it } from "vitest";
import { parseIp } from "../../base/ip.ts";
import { explore } from "./choices.ts";
import type { HookPacket } from "./hook-packet.ts";
import { one, passed } from "./packet.suite.ts";
import { flagsOfAnswers, flagsOfRefusal } from "./packet-parts.ts";
import { rulesetOf } from "./ruleset.ts";
import type { Hook, Ruleset } from "./types.ts";
import { chainsOn, walkChain } from "./walk.ts";

const first: HookPacket = {
  ...passed,
  in: "eth0",
  out: "eth1",
  isLocal: (address) => address === "192.168.18.11" || address === "fd00:18::11",
  isBroadcast: (address) => address === "192.168.18.255",
};
const answer = {
  isFirst: false,
  isAnswer: true,
  flags: flagsOfAnswers,
  state: "established",
} as const;
const refusal = { ...answer, flags: flagsOfRefusal };
const six = { family: 6, source: one("2001:db8::1"), destination: one("fd00:18::11") } as const;
const asking = { ...six, protocol: 58, message: 135, state: "untracked", isFirst: true } as const;

/** What becomes of a packet, in each world. */
function fates(rules: Ruleset, hook: Hook, more: Partial<HookPacket>): string {
  const worlds = explore((choices) => {
    const packet = { ...first, ...more };
    const { filters, nats } = chainsOn(rules, hook, packet.family);
    for (const chain of [...filters, ...nats]) {
      const result = walkChain(rules, chain, packet, choices);
      if (result.type === "stop") return "stop";
      if (result.type !== "translate" || result.to.type !== "dnat") continue;
      return `${result.to.to?.first ?? "same"}:${result.to.ports?.first ?? "same"}`;
    }
    return "pass";
  });
  return [...new Set(worlds.map(({ told }) => told ?? "untold"))].toSorted().join("|");
}

const iptables = (family: 4 | 6, rule: string) =>
  rulesetOf({
    iptables: [
      { store: "iptables-nft", family, text: `*filter\n:FORWARD ACCEPT [0:0]\n${rule} -j DROP\nCOMMIT\n` },
    ],
    nft: [],
    unreadable: [],
  });

it.each<[string, Partial<HookPacket>, string]>([
  ["-p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG", {}, "pass"],
  ["-p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG", answer, "pass"],
  ["-p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE", {}, "pass"],
  ["-p tcp --tcp-flags SYN,RST SYN", {}, "stop"],
  ["-p tcp --tcp-flags SYN,RST SYN", answer, "pass|stop"],
  ["-p tcp --tcp-flags SYN,RST SYN", refusal, "pass"],
  ["-p tcp --tcp-flags RST RST", refusal, "stop"],
  ["-p tcp ! --syn -m conntrack --ctstate NEW", {}, "pass"],
  ["-p tcp --tcp-flags SYN,XXX SYN", {}, "pass|stop"],
  ["-m conntrack --ctdir REPLY", {}, "pass"],
  ["-m conntrack --ctdir REPLY", answer, "stop"],
  ["-m conntrack --ctdir REPLY", { ...answer, state: "new" }, "pass"],
  ["-m conntrack ! --ctdir REPLY", { ...answer, state: "invalid" }, "pass"],
  ["-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", {}, "stop"],
  ["-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", { translated: { dnat: true, snat: false } }, "pass"],
  ["-m addrtype ! --dst-type UNICAST", {}, "pass"],
  ["-m addrtype --dst-type UNICAST", { destination: one("192.168.18.11") }, "pass"],
  ["-m addrtype --dst-type BROADCAST", { destination: one("192.168.18.255") }, "stop"],
  ["-m addrtype --dst-type BROADCAST,MULTICAST", { destination: one("224.0.0.5") }, "stop"],
  ["-m addrtype --dst-type ANYCAST", {}, "pass"],
  ["-m pkttype --pkt-type broadcast", {}, "pass"],
  ["-m pkttype --pkt-type unicast", {}, "stop"],
  ["-m pkttype --pkt-type unicast", { in: "" }, "pass|stop"],
  ["-m rpfilter --validmark --invert", { hasWayBack: () => true }, "pass"],
  ["-m rpfilter --validmark --invert", { hasWayBack: () => false }, "stop"],
  ["-m rpfilter --invert", {}, "pass|stop"],
  ["-m rpfilter --loose --invert", { hasWayBack: () => true }, "pass"],
  ["-m rpfilter --loose --invert", { hasWayBack: () => false }, "pass|stop"],
])("iptables %s (%#)", (rule, more, expected) => {
  expect(fates(iptables(4, `-A FORWARD ${rule}`), "forward", more)).toBe(expected);
});

it.each<[string, Partial<HookPacket>, string]>([
  // A machine's own addresses are unicast, too, and all that is named must hold.
  ["-m addrtype --dst-type UNICAST", six, "stop"],
  ["-m addrtype --dst-type LOCAL,MULTICAST", six, "pass|stop"],
  ["-m addrtype --dst-type UNICAST", { ...six, destination: one("ff02::1") }, "pass"],
  ["-m rt --rt-type 0", six, "pass"],
  ["-m rt ! --rt-type 0", six, "pass"],
  ["-p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 255", asking, "stop"],
  ["-p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 1", asking, "pass"],
  ["-m hl --hl-eq 255", six, "pass|stop"],
])("ip6tables %s (%#)", (rule, more, expected) => {
  expect(fates(iptables(6, `-A FORWARD ${rule}`), "forward", more)).toBe(expected);
});

const flags = { payload: { protocol: "tcp", field: "flags" } };
const ct = (key: string) => ({ ct: { key } });
const way = { fib: { result: "oif", flags: ["saddr", "mark", "iif"] } };
const nft = (type: "filter" | "nat", ...expr: object[]) =>
  rulesetOf({
    iptables: [],
    nft: [
      {
        table: "inet t",
        text: "",
        json: [
          { chain: { family: "inet", table: "t", name: "c", type, hook: "prerouting", prio: 0 } },
          { rule: { family: "inet", table: "t", chain: "c", handle: 1, expr } },
        ],
      },
    ],
    unreadable: [],
  });

describe("nft", () => {
  const drop = { drop: null };
  it.each<[object, Partial<HookPacket>, string]>([
    [{ op: "in", left: flags, right: "syn" }, {}, "stop"],
    [{ op: "==", left: flags, right: "ack" }, {}, "pass"],
    [{ op: "!", left: flags, right: ["syn", "ack"] }, answer, "pass"],
    [{ op: "==", left: { "&": [flags, ["fin", "syn"]] }, right: ["fin", "syn"] }, {}, "pass"],
    [{ op: "!=", left: { "&": [flags, ["fin", "syn", "rst", "ack"]] }, right: "syn" }, {}, "pass"],
    [{ op: "!=", left: ct("state"), right: { "|": ["established", "related"] } }, {}, "stop"],
    [{ op: "!=", left: ct("state"), right: { "|": ["established", "related"] } }, answer, "stop"],
    [
      { op: "!=", left: ct("state"), right: { "|": [{ "|": ["established", "related"] }, "new"] } },
      {},
      "stop",
    ],
    [{ op: "!", left: ct("state"), right: ["established", "related"] }, {}, "stop"],
    [{ op: "!", left: ct("state"), right: ["established", "related"] }, answer, "pass"],
    [{ op: "==", left: ct("state"), right: { "|": ["established", "new"] } }, {}, "pass"],
    [{ op: "!=", left: ct("state"), right: ["established", "related"] }, answer, "stop"],
    [{ op: "!=", left: ct("state"), right: { set: ["established", "related"] } }, answer, "pass"],
    [{ op: "==", left: ct("direction"), right: "reply" }, answer, "stop"],
    // More bits than the one that is named are set.
    [{ op: "in", left: ct("status"), right: "dnat" }, { translated: { dnat: true, snat: false } }, "stop"],
    [
      { op: "!=", left: ct("status"), right: "dnat" },
      { translated: { dnat: true, snat: false } },
      "pass|stop",
    ],
    [{ op: "==", left: way, right: false }, { hasWayBack: () => true }, "pass"],
    [{ op: "==", left: way, right: false }, { hasWayBack: () => false }, "stop"],
    [
      { op: "==", left: { meta: { key: "pkttype" } }, right: { set: ["broadcast", "multicast"] } },
      {},
      "pass",
    ],
    [{ op: "==", left: { exthdr: { name: "rt", field: "type" } }, right: 0 }, six, "pass"],
    [{ op: "==", left: { exthdr: { name: "frag" } }, right: false }, six, "stop"],
    [
      {
        op: "==",
        left: { fib: { result: "type", flags: ["daddr"] } },
        right: { set: ["broadcast", "anycast"] },
      },
      {},
      "pass",
    ],
    [
      {
        op: "==",
        left: { payload: { protocol: "icmpv6", field: "type" } },
        right: { set: ["nd-neighbor-solicit", "nd-router-advert"] },
      },
      asking,
      "stop",
    ],
  ])("%j (%#)", (match, more, expected) => {
    expect(fates(nft("filter", { match }, drop), "prerouting", more)).toBe(expected);
  });

  it("looks up what a connection's status is with all of its bits", () => {
    const vmap = { key: ct("status"), data: { set: [["dnat", drop]] } };
    expect(fates(nft("filter", { vmap }), "prerouting", {})).toBe("untold");
  });

  it("translates to a port alone, and to what a map says", () => {
    expect(fates(nft("nat", { dnat: { port: 81 } }), "prerouting", {})).toBe("same:81");
    const to = (key: object, data: unknown[]) =>
      nft("nat", { dnat: { family: "ip", addr: { map: { key, data: { set: data } } } } });
    const port = { payload: { protocol: "tcp", field: "dport" } };
    const table = [
      [22, "10.0.0.1"],
      [80, "10.0.0.2"],
    ];
    const [, two] = ["10.0.0.1", "10.0.0.2"].map((text) => parseIp(text).value);
    expect(fates(to(port, table), "prerouting", {})).toBe(`${two}:same`);
    expect(fates(to(port, table), "prerouting", { port: 23 })).toBe("pass");
    const both = { concat: [{ payload: { protocol: "ip", field: "daddr" } }, port] };
    const pairs = [[{ concat: ["172.17.0.9", 80] }, { concat: ["10.0.0.2", 8080] }]];
    expect(fates(to(both, pairs), "prerouting", {})).toBe(`${two}:8080`);
  });
});
