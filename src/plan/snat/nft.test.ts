import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp, parseIp } from "../../base/ip.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { decideSnat } from "./decide.ts";
import {
  type Cluster,
  clusterNode,
  internet,
  masq,
  namespace,
  nodeFacts,
  nodeIp,
  own,
  planOf,
  pod,
  pods4,
  pool,
  sourceNat,
  subnet,
  web,
} from "./facts.suite.ts";
import { writeSnat } from "./nft.ts";
import { postrouting, steeredTo } from "./nft-model.suite.ts";
import type { SnatMemory } from "./plan-snat.ts";
import type { SnatPlan } from "./types.ts";

function tableOf(plan: SnatPlan): NftTable {
  const table = new NftTable("inet", "trunkline");
  writeSnat(plan, table);
  return table;
}

/** Sets that rules name and that are not there: the kernel would refuse the whole table. */
function missingSets(table: NftTable): string[] {
  const rules = [...table.chainNames()].flatMap((name) => table.chain(name)?.rules ?? []);
  const named = rules.flatMap((rule) => [...rule.matchAll(/@(\S+)/g)].map(([, name = ""]) => name));
  const there = new Set(table.setNames());
  return named.filter((name) => !there.has(name));
}

describe("the nft text", () => {
  it("is a handful of fixed rules over sets and maps", () => {
    const plan = planOf({
      pools: [pods4],
      pods: [web, pod("quiet", "172.16.1.6", { snat: "none" })],
      config: `${masq}toPorts: 1024-29999,32768-65535\n`,
      sourceNats: [
        sourceNat("db", [
          {
            podSelector: { matchLabels: { app: "batch" } },
            destinations: ["203.0.113.0/24"],
            action: { type: "Address", addresses: ["198.51.100.7"] },
          },
        ]),
      ],
    });
    expect(tableOf(plan).render()).toMatchInlineSnapshot(`
      "table inet trunkline {
        set nat-inside4-15c14477622e { type ipv4_addr; flags interval; }
          172.16.0.0/16
        map nat-pods4 { type ipv4_addr : verdict; }
          172.16.1.6 : accept
        map nat-ranges4-df1070de9c64 { type ipv4_addr : verdict; flags interval; }
          172.16.0.0/16 : goto nat-config
        map nat-to4-1cba68bc4b52 { type ipv4_addr : verdict; flags interval; }
          10.0.0.0/8 : accept
          169.254.0.0/16 : accept
          172.16.0.0/12 : accept
          192.168.0.0/16 : accept
        map nat-to6-48b104d0044b { type ipv6_addr : verdict; flags interval; }
          fe80::/10 : accept
        chain nat-config
          ip daddr vmap @nat-to4-1cba68bc4b52
          ip6 daddr vmap @nat-to6-48b104d0044b
          goto nat-masquerade
        chain nat-masquerade
          meta l4proto { tcp, udp, sctp } numgen random mod 61744 vmap { 0-28975 : goto nat-masquerade-0, 28976-61743 : goto nat-masquerade-1 }
          masquerade fully-random
        chain nat-masquerade-0
          meta l4proto { tcp, udp, sctp } masquerade to :1024-29999 fully-random
        chain nat-masquerade-1
          meta l4proto { tcp, udp, sctp } masquerade to :32768-65535 fully-random
        chain nat-postrouting { type nat hook postrouting priority 90; policy accept; }
          ip daddr @nat-inside4-15c14477622e accept
          ip saddr vmap @nat-pods4
          iifgroup & 0xffff0000 != 0x544c0000 accept
          ip saddr vmap @nat-ranges4-df1070de9c64
      }
      "
    `);
  });

  it("asks as many questions of a packet with 1,000 ranges as with three", () => {
    const ranges = Array.from({ length: 1000 }, (_, n) => `10.${n >> 7}.${(n & 127) * 2}.0/24`);
    const rulesOf = (config: string) => {
      const table = tableOf(planOf({ pools: [pods4], pods: [web], config }));
      return table.chainNames().flatMap((name) => table.chain(name)?.rules ?? []).length;
    };
    const many = `cidrLimit: 2000\nnonMasqueradeCIDRs:\n${ranges.map((range) => `- ${range}\n`).join("")}`;
    expect(rulesOf(many)).toBe(rulesOf(masq));
  });

  it("gives pods that ask for the same the same objects", () => {
    const many = Array.from({ length: 50 }, (_, n) => pod(`p${n}`, `172.16.2.${n}`));
    const rules = [{ destinations: ["203.0.113.0/24"], action: { type: "None" } }] as const;
    const table = tableOf(planOf({ pools: [pods4], pods: many, sourceNats: [sourceNat("a", rules)] }));
    expect(table.chainNames().filter((name) => name.startsWith("nat-class-"))).toHaveLength(1);
    expect(table.elements("nat-pods4").size).toBe(50);
  });

  it("leaves nothing behind when everything goes", () => {
    const table = tableOf(
      planOf({ pools: [pods4], pods: [pod("web", own, { snat: "none" })], config: masq }),
    );
    writeSnat(planOf({}), table);
    expect([...table.chainNames(), ...table.setNames()]).toEqual(["nat-postrouting"]);
    expect(table.chain("nat-postrouting")?.rules).toEqual([]);
  });

  // ip-masq-agent: 0.469292562840114 for the first of these two, and so on.
  it.each([
    ["1024-29999,32768-65535", [0.469292562840114]],
    ["1024-29999,32768-49151,61000-65535", [0.5807279140612474, 0.7831739961759082]],
    ["1024,65535", [0.5]],
  ])("divides ports %s by size", (toPorts, probabilities) => {
    const table = tableOf(planOf({ pools: [pods4], config: `toPorts: ${toPorts}` }));
    const [rule = ""] = table.chain("nat-masquerade")?.rules ?? [];
    const modulus = Number(/mod (\d+)/.exec(rule)?.[1]);
    let left = modulus;
    const found = [...rule.matchAll(/(\d+)-(\d+) : goto/g)].map(([, from, to]) => {
      const share = (Number(to) - Number(from) + 1) / left;
      left -= Number(to) - Number(from) + 1;
      return share;
    });
    expect(left).toBe(0);
    for (const [at, probability] of probabilities.entries()) expect(found[at]).toBeCloseTo(probability, 12);
  });
});

describe("any text in the ConfigMap", () => {
  it("leaves the last good rules as they are, if it cannot be used, and says where it is wrong", () => {
    const seed = JSON.stringify({
      nonMasqueradeCIDRs: ["10.0.0.0/8", "203.0.113.0/24"],
      resyncInterval: "5s",
    });
    const good = tableOf(planOf({ pools: [pods4], pods: [web], config: masq })).render();
    const broken = fc.tuple(fc.nat(seed.length), fc.nat(4), fc.string()).map(([at, cut, put]) => {
      return seed.slice(0, at) + put + seed.slice(at + cut);
    });
    fc.assert(
      fc.property(fc.oneof(broken, fc.string()), (config) => {
        const plan = planOf({ pools: [pods4], pods: [web], config }, { lastGood: masq });
        if (plan.config.state === "current") return;
        expect(tableOf(plan).render()).toBe(good);
        expect(plan.config.errors.length).toBeGreaterThan(0);
        for (const { position } of plan.config.errors) expect(position?.line).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe("egress addresses", () => {
  const nodes = [
    clusterNode("node1", nodeIp, { egress: "yes" }),
    clusterNode("node2", "192.168.18.12", { egress: "yes" }),
    clusterNode("node3", "192.168.18.13"),
  ];
  const rule = {
    action: {
      type: "Address",
      addresses: ["192.168.18.250"],
      egressNodes: { matchLabels: { egress: "yes" } },
    },
  } as const;
  const cluster = (holder: string | undefined): Cluster => ({
    pools: [pods4],
    nodes,
    pods: [pod("web", own, { node: "node3" })],
    sourceNats: [
      sourceNat("e", [rule], holder === undefined ? {} : { holders: { "192.168.18.250": holder } }),
    ],
  });
  const on = (node: string, holder: string | undefined, memory: SnatMemory = {}) =>
    planOf(cluster(holder), memory, nodeFacts(node, [`192.168.18.1${node.slice(-1)}`]));
  const flow = { source: own, destination: internet };

  it("sends the pod's packets to the holder, which translates", () => {
    const home = on("node3", "node2");
    expect(decideSnat(home, flow)).toMatchObject({ sourceSeen: "192.168.18.250", by: "node2" });
    expect(postrouting(tableOf(home), flow)).toBe("none");
    const index = steeredTo(tableOf(home), flow);
    expect(home.steers.find((steer) => steer.index === index)?.holder).toBe("node2");
    const holder = on("node2", "node2");
    expect(postrouting(tableOf(holder), flow)).toBe("snat 192.168.18.250");
    expect(steeredTo(tableOf(holder), flow)).toBeUndefined();
  });

  it("drops rather than leave with another address", () => {
    for (const node of ["node1", "node2", "node3"]) {
      expect(postrouting(tableOf(on(node, undefined)), flow)).toBe("drop");
    }
    // A candidate that does not hold it, reached by a node that believes so.
    expect(postrouting(tableOf(on("node1", "node2")), flow)).toBe("drop");
    expect(on("node3", undefined).problems[0]?.code).toBe("snat.no-holder");
  });

  it("lets pass what a REJECT on the node answers with in the pod's name", () => {
    const reset = { ...flow, protocol: "tcp", direction: "reply" } as const;
    expect(postrouting(tableOf(on("node3", undefined)), reset)).toBe("none");
  });

  it("believes no holder that the rule does not admit", () => {
    expect(decideSnat(on("node1", "node3"), flow).action).toBe("Drop");
  });

  it("lets a node use an address before its object says so", () => {
    const plan = on("node2", "node1", { held: new Set(["192.168.18.250"]) });
    expect(postrouting(tableOf(plan), flow)).toBe("snat 192.168.18.250");
  });

  it("sends on to the new holder what a node held before", () => {
    const lost = (written: string) => tableOf(on("node2", written, { held: new Set() }));
    expect(postrouting(lost("node2"), flow)).toBe("drop");
    // Whatever came first: losing the address, or the word of who has it now.
    const own = { ...cluster("node1"), pods: [pod("web", "172.16.2.5", { node: "node2" })] };
    const plan = planOf(own, { held: new Set() }, nodeFacts("node2", ["192.168.18.12"]));
    const local = { source: "172.16.2.5", destination: internet };
    const index = steeredTo(tableOf(plan), local);
    expect(plan.steers.find((steer) => steer.index === index)?.holder).toBe("node1");
  });

  it("steers a pod of two families by the destinations' own family alone", () => {
    const dual = pod("dual", [own, "fd10::5"], { node: "node3" });
    const ranged = { ...rule, destinations: ["203.0.113.0/24"] };
    const both = { ...ranged, action: { ...rule.action, addresses: ["192.168.18.250", "fd18::250"] } };
    const holders = { "192.168.18.250": "node2", "fd18::250": "node1" };
    const facts: Cluster = {
      pools: [pods4, pool("six", "fd10::/64")],
      nodes,
      pods: [dual],
      sourceNats: [sourceNat("e", [both], { holders })],
    };
    const table = tableOf(planOf(facts, {}, nodeFacts("node3", ["192.168.18.13"])));
    expect(missingSets(table)).toEqual([]);
    expect(steeredTo(table, flow)).toBeDefined();
    expect(steeredTo(table, { source: "fd10::5", destination: "2001:db8::10" })).toBeUndefined();
  });

  it("keeps a node's number when another one takes over", () => {
    expect(on("node3", "node1").steers).toEqual(on("node3", "node2").steers);
  });
});

describe("kernel's and evaluator's answers", () => {
  const byte = fc.integer({ min: 0, max: 3 });
  const address = fc.oneof(
    fc.tuple(byte, byte).map(([a, b]) => `172.16.${a}.${b}`),
    fc.tuple(byte, byte).map(([a, b]) => `10.0.${a}.${b}`),
    fc.constantFrom("169.254.169.254", "203.0.113.10", "fd10::1", "fd10::2", "fd20::1", "fe80::9"),
  );
  const destinations = fc.subarray([
    "10.0.0.0/8",
    "10.0.1.0/24",
    "10.0.1.2/32",
    "0.0.0.0/0",
    "203.0.113.0/24",
    "fd20::/16",
  ]);
  const action = fc.constantFrom(
    { type: "None" } as const,
    { type: "Masquerade" } as const,
    { type: "Address", addresses: ["198.51.100.1-198.51.100.3", "fd18::99"] } as const,
    {
      type: "Address",
      addresses: ["192.168.18.250", "192.168.18.251"],
      egressNodes: { matchLabels: { egress: "yes" } },
    } as const,
  );
  const rule = fc.record(
    {
      podSelector: fc.constantFrom({ matchLabels: { app: "a" } }, { matchLabels: { app: "b" } }, {}),
      destinations,
      action,
    },
    { requiredKeys: ["action"] },
  );
  const cluster = fc.record({
    pools: fc.constantFrom(
      [pool("a", "172.16.0.0/22", { natOutgoing: true }), pool("six", "fd10::/64")],
      [pool("a", "172.16.0.0/23"), pool("b", "172.16.2.0/23", { natOutgoing: false })],
      [pool("a", "172.16.0.0/22"), pool("off", "10.0.3.0/24", { disabled: true })],
    ),
    pods: fc.array(
      fc.tuple(
        fc.constantFrom("172.16.0.1", "172.16.1.1", "172.16.2.1", "10.0.2.2", "fd10::1"),
        fc.constantFrom("a", "b"),
        fc.constantFrom(undefined, undefined, "none", "masquerade"),
        fc.constantFrom("node1", "node2"),
      ),
      { maxLength: 4 },
    ),
    rules: fc.array(rule, { maxLength: 4 }),
    namespaceWish: fc.constantFrom(undefined, undefined, "none", "masquerade"),
    config: fc.option(
      fc.record(
        {
          nonMasqueradeCIDRs: destinations,
          masqueradeCIDRs: destinations,
          masqLinkLocal: fc.boolean(),
          masqLinkLocalIPv6: fc.boolean(),
          toPorts: fc.constantFrom("", "1024-2000", "1-2,5-9"),
        },
        { requiredKeys: [] },
      ),
      { nil: undefined },
    ),
    holder: fc.constantFrom(undefined, "node1", "node2", "node3"),
    podCidrs: fc.constantFrom([], ["10.0.2.0/24", "fd20::/64"], ["172.16.1.0/24"]),
    subnets: fc.constantFrom(
      [],
      [subnet("a", "10.0.2.0/24")],
      [subnet("a", "10.0.2.0/24"), subnet("b", "10.0.3.0/24"), subnet("nodes", "192.168.18.0/24")],
    ),
  });

  it("agree on every flow", () => {
    fc.assert(
      fc.property(
        cluster,
        fc.array(fc.tuple(address, address, fc.boolean()), { maxLength: 20 }),
        (given, flows) => {
          const holders = given.holder === undefined ? {} : { "192.168.18.250": given.holder };
          const plan = planOf({
            pools: given.pools,
            pods: given.pods.map(([ip, app, snat, node], n) =>
              pod(`p${n}`, ip, { labels: { app }, node, ...(snat === undefined ? {} : { snat }) }),
            ),
            namespaces: [namespace("shop", given.namespaceWish)],
            nodes: [
              { ...clusterNode("node1", nodeIp, { egress: "yes" }), spec: { podCIDRs: given.podCidrs } },
              clusterNode("node2", "192.168.18.12", { egress: "yes" }),
            ],
            sourceNats: [sourceNat("x", given.rules, { holders })],
            subnets: given.subnets,
            ...(given.config === undefined ? {} : { config: JSON.stringify(given.config) }),
          });
          const table = tableOf(plan);
          for (const [source, destination, passing] of flows) {
            if (parseIp(source).family !== parseIp(destination).family) continue;
            const decision = decideSnat(plan, { source, destination, passing });
            const index = steeredTo(table, { source, destination, passing });
            expect(plan.steers.find((steer) => steer.index === index)?.holder).toBe(decision.by);
            const kernel = postrouting(table, { source, destination, passing });
            if (decision.by !== undefined || decision.action === "None") expect(kernel).toBe("none");
            else if (decision.action === "Address") expect(kernel).toMatch(/^snat /);
            else expect(kernel).toBe(decision.action.toLowerCase());
            if (kernel.startsWith("snat") && !kernel.includes("-")) {
              expect(kernel).toBe(`snat ${formatIp(parseIp(decision.sourceSeen ?? ""))}`);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("does not depend on the order in which objects came", () => {
    const pods = [
      web,
      pod("b", "172.16.1.6", { snat: "none" }),
      pod("c", "172.16.1.7", { snat: "masquerade" }),
    ];
    const nodes = [
      clusterNode("node1", nodeIp, { e: "1" }),
      clusterNode("node2", "192.168.18.12", { e: "1" }),
    ];
    const forward = { pools: [pods4, pool("z", "172.17.0.0/16")], pods, nodes, config: masq };
    const backward = {
      ...forward,
      pools: forward.pools.toReversed(),
      pods: pods.toReversed(),
      nodes: nodes.toReversed(),
    };
    expect(tableOf(planOf(backward)).render()).toBe(tableOf(planOf(forward)).render());
  });
});
