import { describe, expect, it } from "vitest";
import { formatIp } from "../../base/ip.ts";
import { explore } from "./choices.ts";
import type { HookPacket } from "./hook-packet.ts";
import { one, passed } from "./packet.suite.ts";
import { rulesetOf } from "./ruleset.ts";
import type { Hook, Ruleset } from "./types.ts";
import { chainsOn, walkChain } from "./walk.ts";

const packet = (more: Partial<HookPacket> = {}): HookPacket => ({ ...passed, ...more });
const iptables = (text: string) =>
  rulesetOf({ iptables: [{ store: "iptables-nft", family: 4, text }], nft: [], unreadable: [] });

/** What becomes of a packet on a hook, in each world; `?` after what hangs on something unknown. */
function ways(rules: Ruleset, hook: Hook, given: Partial<HookPacket> = {}): string[] {
  const worlds = explore((choices) => {
    const asked = packet(given);
    const { filters, nats } = chainsOn(rules, hook, asked.family);
    for (const chain of [...filters, ...nats]) {
      const result = walkChain(rules, chain, asked, choices);
      if (result.type === "stop") return result.as;
      if (result.type !== "translate") continue;
      const { to } = result;
      const address = "to" in to ? ` ${formatIp({ family: to.to.family, value: to.to.first })}` : "";
      const port = "ports" in to && to.ports ? `:${to.ports.first}` : "";
      return to.type + address + port;
    }
    return asked.mark === 0 ? "pass" : `pass ${asked.mark}`;
  });
  return worlds.map(({ told, doubts }) => `${told ?? "untold"}${doubts.length > 0 ? "?" : ""}`);
}

const filter = (...rules: string[]) =>
  iptables(
    `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:SUB - [0:0]\n${rules.join("\n")}\nCOMMIT\n`,
  );
const nat = (...rules: string[]) =>
  iptables(
    `*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:SUB - [0:0]\n${rules.join("\n")}\nCOMMIT\n`,
  );

describe("iptables' filters", () => {
  it.each<[string, string[], Partial<HookPacket>, string[]]>([
    ["nothing", [], {}, ["pass"]],
    ["a drop", ["-A FORWARD -s 10.1.0.0/16 -j DROP"], {}, ["dropped"]],
    ["another's drop", ["-A FORWARD ! -s 10.1.0.0/16 -j DROP"], {}, ["pass"]],
    ["an accept before", ["-A FORWARD -i tl+ -j ACCEPT", "-A FORWARD -j DROP"], {}, ["pass"]],
    ["a link of another name", ["-A FORWARD -i eth+ -j DROP"], {}, ["pass"]],
    ["one pod's link", ["-A FORWARD -i tl0123 -j DROP"], {}, ["dropped?", "pass?"]],
    ["the link it leaves by", ["-A FORWARD -o eth0 -j REJECT"], {}, ["refused"]],
    ["not the link it leaves by", ["-A FORWARD ! -o eth0 -j REJECT"], {}, ["pass"]],
    [
      "an answer that says why",
      ["-A FORWARD -j REJECT --reject-with icmp-admin-prohibited"],
      {},
      ["unreachable"],
    ],
    ["a port", ["-A FORWARD -p tcp -m tcp --dport 80 -j DROP"], {}, ["dropped"]],
    ["another port", ["-A FORWARD -p tcp -m tcp --dport 81:90 -j DROP"], {}, ["pass"]],
    ["of another protocol", ["-A FORWARD -p udp -m udp --dport 80 -j DROP"], {}, ["pass"]],
    ["several ports", ["-A FORWARD -p tcp -m multiport --dports 22,79:81 -j DROP"], {}, ["dropped"]],
    ["a port that kernels pick", ["-A FORWARD -p tcp -m tcp --sport 1024:65535 -j DROP"], {}, ["dropped"]],
    ["a life that ends earlier", ["-A FORWARD -j TTL --ttl-set 1"], {}, ["untold?"]],
    ["a hop limit", ["-A FORWARD -j HL --hl-dec 63"], {}, ["untold?"]],
    ["a second packet", ["-A FORWARD -j TEE --gateway 10.0.0.1"], {}, ["untold?"]],
    ["a match without options", ["-A FORWARD -m rpfilter -j DROP"], {}, ["dropped?", "pass?"]],
    ["the connection's mark", ["-A FORWARD -m connmark --mark 0x0 -j DROP"], {}, ["dropped?", "pass?"]],
    ["the packet's mark", ["-A FORWARD -m mark --mark 0x0 -j DROP"], {}, ["dropped"]],
    ["one of those", ["-A FORWARD -p tcp -m tcp --sport 40000 -j DROP"], {}, ["dropped?", "pass?"]],
    ["a reserved one", ["-A FORWARD -p tcp -m tcp --sport 53 -j DROP"], {}, ["pass"]],
    ["a state", ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j DROP"], {}, ["pass"]],
    [
      "a state that it has",
      ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j DROP"],
      { state: "established" },
      ["dropped"],
    ],
    ["what was translated", ["-A FORWARD -m conntrack --ctstate DNAT -j DROP"], {}, ["pass"]],
    [
      "what was translated, and this was",
      ["-A FORWARD -m conntrack --ctstate DNAT -j DROP"],
      { translated: { dnat: true, snat: false } },
      ["dropped"],
    ],
    ["a first packet", ["-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"], {}, ["dropped"]],
    [
      "a first packet, and this is none",
      ["-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"],
      { isFirst: false },
      ["pass"],
    ],
    ["an echo", ["-A FORWARD -p icmp -m icmp --icmp-type 8 -j DROP"], { protocol: 1 }, ["dropped"]],
    ["what is unknown", ["-A FORWARD -m set --match-set bad src -j DROP"], {}, ["dropped?", "pass?"]],
    [
      "what is unknown, of others",
      ["-A FORWARD -s 10.9.0.0/16 -m set --match-set bad src -j DROP"],
      {},
      ["pass"],
    ],
    [
      "what is unknown, and comes to nothing",
      ["-A FORWARD -m limit --limit 3/min -j LOG --log-prefix x"],
      {},
      ["pass"],
    ],
    ["a target that is unknown", ["-A FORWARD -j TPROXY --on-port 8080"], {}, ["untold?"]],
    [
      "a return from a chain",
      ["-A FORWARD -j SUB", "-A FORWARD -j DROP", "-A SUB -d 172.17.0.0/16 -j RETURN", "-A SUB -j ACCEPT"],
      {},
      ["dropped"],
    ],
    ["a goto", ["-A FORWARD -g SUB", "-A FORWARD -j DROP"], {}, ["pass"]],
    [
      "a mark that another rule sets",
      [
        "-A FORWARD -s 10.1.0.0/16 -j MARK --set-xmark 0x4000/0x4000",
        "-A FORWARD -m mark --mark 0x4000/0x4000 -j DROP",
      ],
      {},
      ["dropped"],
    ],
    [
      "a mark that is turned",
      ["-A FORWARD -j MARK --set-xmark 0x4000/0x0", "-A FORWARD -m mark --mark 0x4000/0x4000 -j DROP"],
      { mark: 0x4000 },
      ["pass"],
    ],
  ])("%s", (_what, rules, given, expected) =>
    expect(ways(filter(...rules), "forward", given)).toEqual(expected),
  );

  it("have a policy for what no rule decides", () => {
    const rules = iptables("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -d 172.17.0.9/32 -j ACCEPT\nCOMMIT\n");
    expect(ways(rules, "forward")).toEqual(["pass"]);
    expect(ways(rules, "forward", { destination: one("172.17.0.8") })).toEqual(["dropped"]);
    expect(ways(rules, "input")).toEqual(["pass"]);
  });
});

describe("iptables' translation", () => {
  it.each<[string, string[], Hook, Partial<HookPacket>, string[]]>([
    [
      "by the link",
      ["-A POSTROUTING -s 10.1.0.0/16 -o eth0 -j MASQUERADE"],
      "postrouting",
      {},
      ["masquerade"],
    ],
    ["by another link", ["-A POSTROUTING -s 10.1.0.0/16 -o eth1 -j MASQUERADE"], "postrouting", {}, ["pass"]],
    [
      "to an address",
      ["-A POSTROUTING -j SNAT --to-source 192.0.2.7"],
      "postrouting",
      {},
      ["snat 192.0.2.7"],
    ],
    [
      "of a service's address",
      [
        "-A PREROUTING -j SUB",
        "-A SUB -d 172.17.0.9/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.20.176:8080",
      ],
      "prerouting",
      {},
      ["dnat 10.1.20.176:8080"],
    ],
    [
      "to one of two ends by lot",
      [
        "-A OUTPUT -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.1.0.1:80",
        "-A OUTPUT -p tcp -j DNAT --to-destination 10.1.0.2:80",
      ],
      "output",
      {},
      ["dnat 10.1.0.1:80?", "dnat 10.1.0.2:80?"],
    ],
    [
      "as kube-proxy remembers a client: who was not seen before is translated all the same",
      [
        "-A PREROUTING -m recent --rcheck --seconds 60 --reap --name A --mask 255.255.255.255 --rsource -j SUB",
        "-A PREROUTING -j SUB",
        "-A SUB -p tcp -m recent --set --name A --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.1.0.1:80",
      ],
      "prerouting",
      {},
      ["dnat 10.1.0.1:80?", "dnat 10.1.0.1:80?"],
    ],
    [
      "of what is for the machine",
      ["-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 80 -j REDIRECT --to-ports 8080"],
      "prerouting",
      { destination: one("192.168.18.11") },
      ["redirect:8080"],
    ],
    [
      "of what is not",
      ["-A PREROUTING -m addrtype ! --dst-type LOCAL -j RETURN", "-A PREROUTING -j REDIRECT --to-ports 8080"],
      "prerouting",
      {},
      ["pass"],
    ],
  ])("%s", (_what, rules, hook, given, expected) =>
    expect(ways(nat(...rules), hook, given)).toEqual(expected),
  );
});

it("rules take every packet for one of no connection before the kernel has looked for that", () => {
  const raw = (rule: string) =>
    iptables(
      `*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -m conntrack --ctstate ${rule} -j DROP\nCOMMIT\n`,
    );
  expect(ways(raw("NEW"), "prerouting")).toEqual(["pass"]);
  expect(ways(raw("INVALID"), "prerouting")).toEqual(["dropped"]);
  expect(ways(raw("INVALID"), "prerouting", { state: "established" })).toEqual(["dropped"]);
  // What a machine says to itself was looked at when it left.
  expect(ways(raw("INVALID"), "prerouting", { in: "lo" })).toEqual(["pass"]);
});

describe("nft's rules", () => {
  const chain = (hook: string, policy = "accept", type = "filter") => ({
    chain: { family: "inet", table: "fw", name: hook, handle: 1, type, hook, prio: 0, policy },
  });
  const side = { chain: { family: "inet", table: "fw", name: "side", handle: 2 } };
  const rule = (name: string, ...expr: object[]) => ({
    rule: { family: "inet", table: "fw", chain: name, handle: 3, expr },
  });
  const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
  const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
  const meta = (key: string) => ({ meta: { key } });
  const read = (...json: object[]) =>
    rulesetOf({
      iptables: [],
      nft: [{ table: "inet fw", json: json as Record<string, unknown>[], text: "" }],
      unreadable: [],
    });

  it.each<[string, object[], Partial<HookPacket>, string[]]>([
    [
      "a set that is written out",
      [
        match(payload("ip", "saddr"), { set: [{ prefix: { addr: "10.1.0.0", len: 24 } }, "10.3.0.1"] }),
        { drop: null },
      ],
      {},
      ["dropped"],
    ],
    [
      "a named set",
      [match(payload("ip", "daddr"), "@bad"), { drop: null }],
      { destination: one("10.9.0.3") },
      ["dropped"],
    ],
    ["a named set without it", [match(payload("ip", "daddr"), "@bad"), { drop: null }], {}, ["pass"]],
    [
      "a set nobody tells of",
      [match(payload("ip", "daddr"), "@gone"), { drop: null }],
      {},
      ["dropped?", "pass?"],
    ],
    [
      "not of another family",
      [match(payload("ip6", "saddr"), "fd00::1", "!="), { drop: null }],
      {},
      ["pass"],
    ],
    [
      "ports",
      [match(payload("tcp", "dport"), { set: [22, { range: [79, 81] }] }), { reject: { type: "tcp reset" } }],
      {},
      ["reset"],
    ],
    [
      "several things at once",
      [
        match(
          { concat: [payload("ip", "daddr"), payload("tcp", "dport")] },
          { set: [{ concat: ["172.17.0.9", 80] }] },
        ),
        { drop: null },
      ],
      {},
      ["dropped"],
    ],
    [
      "a verdict map",
      [
        {
          vmap: {
            key: payload("tcp", "dport"),
            data: {
              set: [
                [22, { accept: null }],
                [80, { goto: { target: "side" } }],
              ],
            },
          },
        },
        { accept: null },
      ],
      {},
      ["dropped"],
    ],
    [
      "kinds of messages by their names",
      [
        match(payload("icmp", "type"), {
          set: ["destination-unreachable", "time-exceeded", "echo-request"],
        }),
        { drop: null },
      ],
      { protocol: 1, port: undefined },
      ["dropped"],
    ],
    [
      "a verdict map that lets some go on",
      [
        {
          vmap: {
            key: payload("tcp", "dport"),
            data: { set: [[80, { continue: null }]] },
          },
        },
        { drop: null },
      ],
      {},
      ["dropped"],
    ],
    [
      "links",
      [match(meta("iifname"), "tl*"), match(meta("oifname"), "eth1", "!="), { drop: null }],
      {},
      ["dropped"],
    ],
    [
      "states",
      [match({ ct: { key: "state" } }, ["established", "related"], "in"), { drop: null }],
      {},
      ["pass"],
    ],
    ["a limit", [{ limit: { rate: 3, per: "second" } }, { drop: null }], {}, ["dropped?", "pass?"]],
    ["what only counts", [{ counter: { packets: 0, bytes: 0 } }, { log: null }], {}, ["pass"]],
    ["a mark", [{ mangle: { key: meta("mark"), value: { "|": [meta("mark"), 7] } } }], {}, ["pass 7"]],
    [
      "a mark turned round",
      [{ mangle: { key: meta("mark"), value: { "^": [meta("mark"), 5] } } }],
      { mark: 4 },
      ["pass 1"],
    ],
    [
      "verdicts by lot",
      [
        {
          vmap: {
            key: { numgen: { mode: "random", mod: 2, offset: 0 } },
            data: {
              set: [
                [0, { goto: { target: "side" } }],
                [1, { accept: null }],
              ],
            },
          },
        },
      ],
      {},
      ["dropped?", "pass?"],
    ],
    [
      "a lot that draws what its map lacks",
      [
        {
          vmap: {
            key: { numgen: { mode: "inc", mod: 3, offset: 0 } },
            data: {
              set: [
                [0, { drop: null }],
                [1, { drop: null }],
              ],
            },
          },
        },
      ],
      {},
      ["untold?"],
    ],
    [
      "a set that packets put themselves into",
      [
        { set: { op: "add", elem: payload("ip", "saddr"), set: "@seen" } },
        match(payload("ip", "saddr"), "@seen"),
        { drop: null },
      ],
      {},
      ["dropped?", "pass?"],
    ],
    [
      "a limit of a set's elements",
      [
        {
          set: { op: "update", elem: payload("ip", "saddr"), set: "@seen", stmt: [{ limit: { rate: 1 } }] },
        },
        { drop: null },
      ],
      {},
      ["dropped?", "pass?"],
    ],
    [
      "a set that only counts",
      [
        { set: { op: "add", elem: payload("ip", "saddr"), set: "@seen", stmt: [{ counter: null }] } },
        { drop: null },
      ],
      {},
      ["dropped"],
    ],
    [
      "a set that is full",
      [{ set: { op: "add", elem: payload("ip", "saddr"), set: "@full" } }, { drop: null }],
      {},
      ["dropped?", "pass?"],
    ],
    [
      "a set of elements with limits",
      [match(payload("ip", "daddr"), "@rationed"), { drop: null }],
      { destination: one("10.9.0.3") },
      ["dropped?", "pass?"],
    ],
    ["a priority", [{ mangle: { key: meta("priority"), value: 1 } }], {}, ["pass"]],
    ["a time to live", [{ mangle: { key: payload("ip", "ttl"), value: 1 } }], {}, ["untold?"]],
    ["a zone of connections", [{ mangle: { key: { ct: { key: "zone" } }, value: 1 } }], {}, ["untold?"]],
    ["what is unknown", [{ tproxy: { port: 80 } }], {}, ["untold?"]],
  ])("%s", (_what, expr, given, expected) => {
    const bad = {
      set: { family: "inet", table: "fw", name: "bad", elem: [{ elem: { val: "10.9.0.3", timeout: 9 } }] },
    };
    const named = (name: string, more: object) => ({ set: { family: "inet", table: "fw", name, ...more } });
    const sets = [
      bad,
      named("seen", { size: 9 }),
      named("full", { size: 1, elem: ["10.9.0.3"] }),
      named("rationed", { elem: [{ elem: { val: "10.9.0.3", limit: { rate: 1, per: "second" } } }] }),
    ];
    const rules = read(
      chain("forward"),
      side,
      ...sets,
      rule("forward", ...expr),
      rule("side", { drop: null }),
    );
    expect(ways(rules, "forward", given)).toEqual(expected);
  });

  it("draw a destination by lot", () => {
    const lot = (mod: number, ...set: unknown[]) => ({
      dnat: {
        family: "ip",
        addr: { map: { key: { numgen: { mode: "random", mod, offset: 0 } }, data: { set } } },
      },
    });
    const base = chain("prerouting", "accept", "nat");
    const to = (at: number, addr: string, port: number) => [at, { concat: [addr, port] }];
    const both = read(base, rule("prerouting", lot(2, to(0, "10.1.0.1", 80), to(1, "10.1.0.2", 8080))));
    expect(ways(both, "prerouting")).toEqual(["dnat 10.1.0.1:80?", "dnat 10.1.0.2:8080?"]);
    const lone = read(base, rule("prerouting", lot(1, to(0, "10.1.0.1", 80))));
    expect(ways(lone, "prerouting")).toEqual(["dnat 10.1.0.1:80"]);
    const gap = read(base, rule("prerouting", lot(2, to(0, "10.1.0.1", 80))));
    expect(ways(gap, "prerouting")).toEqual(["untold?"]);
  });

  it("of a table that is switched off are not met", () => {
    const json = [chain("forward"), rule("forward", { drop: null })] as Record<string, unknown>[];
    const of = (text: string) =>
      ways(rulesetOf({ iptables: [], nft: [{ table: "inet fw", json, text }], unreadable: [] }), "forward");
    expect(of("table inet fw { # handle 1\n\tchain forward {\n\t}\n}\n")).toEqual(["dropped"]);
    expect(of("table inet fw { # handle 1\n\tflags dormant\n\n\tchain forward {\n\t}\n}\n")).toEqual([
      "pass",
    ]);
  });

  it("are asked by their policy, and of their family", () => {
    const rules = read(
      chain("forward", "drop"),
      rule("forward", match(meta("nfproto"), "ipv6"), { accept: null }),
    );
    expect(ways(rules, "forward")).toEqual(["dropped"]);
    const six = { family: 6 as const, source: one("fd00::1"), destination: one("fd00::2") };
    expect(ways(rules, "forward", six)).toEqual(["pass"]);
  });

  const six = { family: 6 as const, source: one("fd00::1"), destination: one("fd00::2") };

  it("that ask for a field of one family's header do not match the other's packets", () => {
    const four = read(
      chain("forward"),
      rule("forward", match(payload("ip", "protocol"), "tcp"), { drop: null }),
    );
    expect([ways(four, "forward"), ways(four, "forward", six)]).toEqual([["dropped"], ["pass"]]);
    const not = read(
      chain("forward"),
      rule("forward", match(payload("ip6", "nexthdr"), "udp", "!="), { drop: null }),
    );
    expect([ways(not, "forward"), ways(not, "forward", six)]).toEqual([["pass"], ["dropped"]]);
  });

  it("reject by an error of one family, or translate to an address of one, what is of that family", () => {
    const reject = read(
      chain("forward"),
      rule("forward", { reject: { type: "icmp", expr: "host-unreachable" } }),
    );
    expect([ways(reject, "forward"), ways(reject, "forward", six)]).toEqual([["unreachable"], ["pass"]]);
    const both = read(
      chain("forward"),
      rule("forward", { reject: { type: "icmpx", expr: "admin-prohibited" } }),
    );
    expect([ways(both, "forward"), ways(both, "forward", six)]).toEqual([["unreachable"], ["unreachable"]]);
    const snat = read(
      chain("postrouting", "accept", "nat"),
      rule("postrouting", { snat: { family: "ip", addr: "192.168.18.9" } }),
    );
    expect([ways(snat, "postrouting"), ways(snat, "postrouting", six)]).toEqual([
      ["snat 192.168.18.9"],
      ["pass"],
    ]);
  });

  it("ask an echo for ports, too, where they do not name a protocol", () => {
    const asked = (field: string, value: number, op = "==") =>
      ways(
        read(chain("forward"), rule("forward", match(payload("th", field), value, op), { drop: null })),
        "forward",
        { protocol: 1, port: undefined },
      );
    expect(asked("dport", 80, "!=")).toEqual(["dropped?", "pass?"]);
    expect(asked("sport", 2048)).toEqual(["dropped"]);
    expect(asked("sport", 80)).toEqual(["pass"]);
  });

  it("of a table that iptables shares are met once, and those beside iptables' too", () => {
    const own = (name: string) => ({
      chain: {
        family: "ip",
        table: "nat",
        name,
        type: "nat",
        hook: "postrouting",
        prio: 100,
        policy: "accept",
      },
    });
    const of = (name: string, addr: string) => ({
      rule: {
        family: "ip",
        table: "nat",
        chain: name,
        handle: 4,
        expr: [match(payload("ip", "saddr"), addr), { snat: { addr: "192.0.2.1" } }],
      },
    });
    const json = [
      own("POSTROUTING"),
      own("postrouting"),
      of("POSTROUTING", "10.1.0.6"),
      of("postrouting", "10.1.0.5"),
    ];
    const text =
      "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.1.0.6/32 -j SNAT --to-source 192.0.2.1\nCOMMIT\n";
    const rules = rulesetOf({
      iptables: [{ store: "iptables-nft", family: 4, text }],
      nft: [{ table: "ip nat", json: json as Record<string, unknown>[], text: "" }],
      unreadable: [],
    });
    const { nats } = chainsOn(rules, "postrouting", 4);
    expect(nats.map(({ title }) => title)).toEqual([
      "iptables-nft nat POSTROUTING",
      "nft ip nat postrouting",
    ]);
    expect(ways(rules, "postrouting")).toEqual(["snat 192.0.2.1"]);
  });
});

describe("worlds", () => {
  it("are as many as there are ways for choices to fall, each told what it took for granted", () => {
    const worlds = explore((choices) => {
      const first = choices.settle("perhaps", "a");
      return first ? `${first} ${choices.pick(3, "b")}` : "no";
    });
    expect(worlds).toEqual([
      { told: "true 0", doubts: ["a", "b"] },
      { told: "true 1", doubts: ["a", "b"] },
      { told: "true 2", doubts: ["a", "b"] },
      { told: "no", doubts: ["a"] },
    ]);
    expect(explore((choices) => choices.settle(true, "never asked"))).toEqual([{ told: true, doubts: [] }]);
  });

  it("of which nothing can be told are among them, and too many are none", () => {
    const worlds = explore((choices) => {
      if (choices.settle("perhaps", "a")) throw choices.untold("b");
      return 1;
    });
    expect(worlds).toEqual([
      { told: undefined, doubts: ["a", "b"] },
      { told: 1, doubts: ["a"] },
    ]);
    const many = explore((choices) =>
      Array.from({ length: 9 }, (_, at) => choices.pick(2, `${at}`)).join(""),
    );
    expect(many[0]).toMatchObject({ told: undefined });
    expect(() =>
      explore(() => {
        throw new TypeError("a fault");
      }),
    ).toThrow("a fault");
  });
});
