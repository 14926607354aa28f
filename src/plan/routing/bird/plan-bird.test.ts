import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AddressBlock } from "../../../api/kinds/address-block.ts";
import { birdConfigText } from "../../../bird/config/text.ts";
import { type ClusterFacts, nodeIps } from "../../facts.ts";
import { block, facts as plainFacts } from "../facts.suite.ts";
import { bgp, filter, nodeWith, peer, pool, routing, secret } from "./facts.suite.ts";
import { routingFindings } from "./findings.ts";
import { announcedBy, planBird, withBlocks, withNodes } from "./plan-bird.ts";

const nodes = [
  nodeWith("node1", {
    addresses: ["192.168.18.11", "fd18::11"],
    annotations: { "trunkline.dev/node-network": "192.168.18.11/24,fd18::11/64" },
  }),
  nodeWith("node2", { addresses: ["192.168.18.12", "fd18::12"] }),
];
const blocks = [
  block("10.1.0.0/26", "node1", { pool: "p", loans: [{ address: "10.1.0.9", node: "node2" }] }),
  block("10.1.0.64/26", "node2", { pool: "p", loans: [{ address: "10.1.0.70", node: "node1" }] }),
  block("10.1.0.128/26", "node1", { pool: "p", state: "pending" }),
  block("10.2.0.0/26", "node1", { pool: "quiet" }),
  block("fd00:1::/122", "node1", { pool: "six" }),
];
const cluster: ClusterFacts = {
  ...plainFacts(nodes, blocks),
  pools: new Map([
    pool("p", { cidr: "10.1.0.0/16" }),
    pool("quiet", { cidr: "10.2.0.0/16", disableBGPExport: true }),
    pool("tunnelled", { cidr: "10.3.0.0/16", vxlanMode: "Always" }),
    pool("six", { cidr: "fd00:1::/112" }),
  ]),
  ...secret("bgp", { r1: "pass word" }),
  bgpConfigurations: new Map([
    bgp({
      asNumber: 64_512,
      serviceClusterIPs: [{ cidr: "172.21.0.0/20" }],
      communities: [{ name: "gold", value: "65000:100" }],
      prefixAdvertisements: [{ cidr: "10.1.0.0/16", communities: ["gold", "65000:1:2"] }],
      ignoredInterfaces: ["docker*"],
    }),
  ]),
  bgpFilters: new Map([
    filter("f", {
      importV4: [
        {
          action: "Accept",
          cidr: "10.1.255.0/24",
          matchOperator: "In",
          prefixLength: { min: 25, max: 28 },
          operations: [{ setPriority: { value: 7 } }],
        },
        { action: "Accept", communities: { values: ["65000:1"] }, asPathPrefix: [65_001] },
        { action: "Reject", cidr: "10.9.9.0/24", matchOperator: "NotEqual", peerType: "iBGP" },
      ],
      exportV4: [
        { action: "Reject", cidr: "10.1.0.70/32", matchOperator: "Equal" },
        {
          action: "Accept",
          source: "RemotePeers",
          cidr: "10.9.0.0/16",
          matchOperator: "In",
          operations: [{ addCommunity: { value: "1:2" } }, { prependASPath: { prefix: [1, 2] } }],
        },
      ],
    }),
  ]),
  bgpPeers: new Map([
    peer("r1", {
      peerIP: "192.168.18.1",
      asNumber: 65_001,
      password: { secretKeyRef: { name: "bgp", key: "r1" } },
      filters: ["f"],
      ttlSecurity: 1,
    }),
    peer("far", {
      node: "node1",
      peerIP: "10.77.0.1:1179",
      asNumber: 65_002,
      reachableBy: "192.168.18.1",
      nextHopMode: "Self",
      filters: ["missing"],
    }),
  ]),
};
const links = [
  { name: "eth0", addresses: ["192.168.18.11", "fd18::11"] },
  { name: "eth1", addresses: ["10.5.0.1"] },
];
const text = (facts: ClusterFacts, node = "node1") =>
  birdConfigText(planBird(facts, node, links).config!, "/state/bird/bird.log");
const golden = (name: string) => path.join(import.meta.dirname, "golden", `${name}.conf`);

/** Every field that there is. */
const fullest: ClusterFacts = {
  ...cluster,
  bgpFilters: new Map([
    filter("f", {
      importV4: [
        {
          action: "Accept",
          cidr: "10.1.255.0/24",
          matchOperator: "In",
          prefixLength: { min: 25, max: 28 },
          source: "RemotePeers",
          interface: "eth*",
          peerType: "eBGP",
          priority: 7,
          asPathPrefix: [65_001, "1.10"],
          communities: { values: ["65000:1"] },
          operations: [
            { setPriority: { value: 7 } },
            { addCommunity: { value: "1:2" } },
            { prependASPath: { prefix: [1, 2] } },
          ],
        },
      ],
    }),
  ]),
};

function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}

function replaced(value: unknown, [key, ...rest]: readonly string[], leaf: unknown): unknown {
  if (key === undefined) return leaf;
  const copy: unknown = structuredClone(value);
  Reflect.set(copy as object, key, replaced(Reflect.get(copy as object, key), rest, leaf));
  return copy;
}

describe("the configuration of a node's BIRD", () => {
  it("has all of BGP's settings where they belong", async () => {
    await expect(text(cluster)).toMatchFileSnapshot(golden("bgp"));
  });

  it("speaks RIP on the links of the node's addresses, and takes known blocks as they stand", async () => {
    const rip = { ...cluster, ...routing({ protocols: ["rip"], rip: { updateTime: "2s" } }) };
    await expect(text(rip)).toMatchFileSnapshot(golden("rip"));
  });

  it("is not there where no protocol is asked for", () => {
    expect(planBird({ ...cluster, ...routing({ protocols: [] }) }, "node1", links).config).toBeUndefined();
    expect(planBird(cluster, "nobody", links).config).toBeUndefined();
  });

  it("takes nothing but an address for the router by which a peer is reached", () => {
    for (const reachableBy of ["router", '192.168.18.1; } include "/tmp/x"; protocol static {', "fd18::1"]) {
      const far = peer("far", { peerIP: "10.77.0.1", asNumber: 65_002, reachableBy });
      const plan = planBird({ ...cluster, bgpPeers: new Map([far]) }, "node1", links);
      expect(plan.config?.families.map(({ gateways }) => gateways)).toEqual(
        plan.config?.families.map(() => []),
      );
    }
  });

  it("has no word of any object that could end a text or a line of it", () => {
    const every = [
      ["bgpConfigurations", bgp, "default"],
      ["bgpPeers", peer, "r1"],
      ["bgpPeers", peer, "far"],
      ["bgpFilters", filter, "f"],
    ] as const;
    let tried = 0;
    for (const [place, make, name] of every) {
      const { spec } = fullest[place].get(name)!;
      for (const at of leaves(spec))
        for (const evil of [
          'EVIL"',
          "EVIL\n",
          "EVIL;",
          "EVIL }",
          "EVIL'",
          "-1 EVIL",
          "0 EVIL",
          "10.0.0.0/8 EVIL",
        ]) {
          const worse = (make as (...words: unknown[]) => [string, never])(
            ...(make === bgp ? [replaced(spec, at, evil), name] : [name, replaced(spec, at, evil)]),
          );
          const objects = new Map<string, never>([...(fullest[place] as Map<string, never>), worse]);
          for (const node of ["node1", "node2"])
            expect(
              text({ ...fullest, [place]: objects }, node)
                .split("\n")
                .filter((line) => line.includes("EVIL")),
              `${name} ${at.join(".")}`,
            ).toEqual([]);
          tried++;
        }
    }
    expect(tried).toBeGreaterThan(250);
  });

  it("has no number that BIRD would refuse all of it for", () => {
    const of = (number: number) => ({
      ...fullest,
      bgpConfigurations: new Map([bgp({ listenPort: number })]),
      bgpPeers: new Map([
        peer("r1", {
          peerIP: "192.168.18.1",
          asNumber: 65_001,
          ttlSecurity: number,
          numAllowedLocalASNumbers: number,
          filters: ["f"],
        }),
      ]),
      bgpFilters: new Map([filter("f", { importV4: [{ action: "Reject", priority: number }] })]),
    });
    for (const number of [-7, 1e10, 7.5, Number.NaN]) {
      const written = text(of(number));
      expect(written).not.toContain(String(number));
      // A rule that cannot be told holds back all.
      expect(written).toMatch(/filter in_bgp_192_168_18_1 \{\n\s+reject;\n\}/);
    }
  });

  it("speaks RIP on no interface by a pattern that is none, and says so", () => {
    const of = (...interfaces: string[]) => ({
      ...cluster,
      ...routing({ protocols: ["rip"], rip: { interfaces } }),
    });
    const rip = (facts: ClusterFacts) => planBird(facts, "node1", links).config?.families[0]?.rip?.interfaces;
    expect(rip(of("eth0", "eth("))).toEqual(rip(of("eth0")));
    expect(routingFindings(of("eth("), "node1")).toContainEqual(
      expect.objectContaining({ code: "bad-interface-pattern" }),
    );
  });

  it("has no session without the password that was asked for, and no RIP", () => {
    const bare = { ...cluster, secrets: new Map() };
    const plan = planBird(bare, "node1", links);
    expect(plan.sessions.find(({ peer: one }) => one === "192.168.18.1")?.held).toMatchObject({
      code: "secret-missing",
    });
    expect(plan.config?.families[0]?.sessions.map((one) => one.peer)).not.toContain("192.168.18.1");
    const password = { secretKeyRef: { name: "none", key: "none" } };
    const rip = { ...bare, ...routing({ protocols: ["rip"], rip: { password } }) };
    expect(planBird(rip, "node1", links).config?.families.every((family) => family.rip === undefined)).toBe(
      true,
    );
  });

  it("announces confirmed blocks whole and single addresses only where they are out of another's block", () => {
    expect(announcedBy(cluster, "node1", 4).map(({ prefix }) => prefix)).toEqual([
      "10.1.0.0/26",
      "10.1.0.70/32",
      "10.2.0.0/26",
    ]);
    expect(announcedBy(cluster, "node2", 4).map(({ prefix }) => prefix)).toEqual([
      "10.1.0.64/26",
      "10.1.0.9/32",
    ]);
  });

  it("announces no Services from nodes that are excluded", () => {
    const label = "node.kubernetes.io/exclude-from-external-load-balancers";
    const excluded = nodeWith("node1", { addresses: ["192.168.18.11"], labels: { [label]: "" } });
    const facts = { ...cluster, nodes: new Map([...cluster.nodes, ["node1", excluded] as const]) };
    expect(planBird(facts, "node1", links).config?.families[0]?.services).toEqual([]);
    expect(planBird(facts, "node2", links).config?.families[0]?.services).toEqual(["172.21.0.0/20"]);
  });
});

describe("a plan for RIP", () => {
  it("goes through the blocks as often in a large cluster as in a small one", () => {
    const passes = (count: number): number => {
      const many = Array.from({ length: count }, (_, at) =>
        nodeWith(`n${at}`, { addresses: [`10.0.0.${at}`] }),
      );
      const own = many.map((node, at) => block(`10.1.${at}.0/26`, node.metadata.name, { pool: "p" }));
      const plain = plainFacts(many, own);
      let seen = 0;
      class Counted extends Map<string, (typeof own)[number]> {
        override values() {
          seen++;
          return super.values();
        }
      }
      const facts: ClusterFacts = {
        ...plain,
        ...routing({ protocols: ["rip"] }),
        blocks: new Counted(plain.blocks),
      };
      const { config } = planBird(facts, "n0", [{ name: "eth0", addresses: ["10.0.0.0"] }]);
      expect(config?.families[0]?.rip?.known).toHaveLength(count - 1);
      return seen;
    };
    expect(passes(60)).toBe(passes(3));
  });
});

describe("a plan after blocks have changed", () => {
  const quiet = { pool: "quiet", state: "confirmed" } as const;
  const changes: readonly (readonly [what: string, matters: boolean, blocks: AddressBlock[]])[] = [
    ["another node has one more", false, [block("10.1.1.0/26", "node2", { pool: "p" })]],
    ["its own claim is confirmed", true, [block("10.1.0.128/26", "node1", { pool: "p" })]],
    [
      "it has one more, in both families",
      true,
      [block("10.2.0.64/26", "node1", quiet), block("fd00:1::80/122", "node1")],
    ],
    [
      "an address that was lent to it is back",
      true,
      [block("10.1.0.64/26", "node2", { pool: "p", loans: [] })],
    ],
  ];

  it.each(changes)("is the one that is made of everything: %s", (_what, matters, blocks) => {
    const fresh = blocks.map((one) => [one.metadata.name, one] as const);
    for (const protocols of [["bgp"], ["rip"], ["bgp", "rip"]] as const) {
      const facts = { ...cluster, ...routing({ protocols: [...protocols] }) };
      const after = { ...facts, blocks: new Map([...facts.blocks, ...fresh]) };
      const before = planBird(facts, "node1", links);
      const followed = withBlocks(before, after, "node1");
      expect(followed).toEqual(planBird(after, "node1", links));
      // By RIP a node takes what it knows of others as well.
      expect(followed !== before).toBe(matters || protocols.some((one) => one === "rip"));
    }
  });
});

describe("a plan after other nodes have changed", () => {
  const address = fc.constantFrom(
    "192.168.18.12",
    "192.168.18.13",
    "192.168.18.1",
    "192.168.28.7",
    "fd18::13",
  );
  const other = fc.record({
    name: fc.constantFrom("node2", "node3", "node4"),
    // None: it goes.
    addresses: fc.array(address, { maxLength: 2 }),
    reflects: fc.boolean(),
    as: fc.constantFrom(undefined, "64999"),
    network: fc.constantFrom(undefined, "192.168.18.12/24", "192.168.28.7/25"),
  });
  const around = fc.constantFrom<Partial<ClusterFacts>>(
    {},
    routing({ protocols: ["rip"] }),
    routing({ protocols: ["bgp", "rip"] }),
    { bgpPeers: new Map([peer("rr", { nodeSelector: "!has(rr)", peerSelector: "has(rr)" })]) },
    { bgpPeers: new Map([peer("by-address", { node: "node3", peerIP: "192.168.18.11", asNumber: 1 })]) },
  );

  it("is the one that is made of everything", () => {
    fc.assert(
      fc.property(fc.array(fc.array(other, { minLength: 1, maxLength: 2 })), around, (rounds, extra) => {
        const known = new Map(cluster.nodes);
        const facts: ClusterFacts = { ...cluster, ...extra, nodes: known };
        let plan = planBird(facts, "node1", links);
        for (const list of rounds) {
          for (const { name, addresses, reflects, as, network } of list) {
            const annotations = {
              ...(reflects && { "projectcalico.org/RouteReflectorClusterID": "1.2.3.4" }),
              ...(as !== undefined && { "projectcalico.org/ASNumber": as }),
              ...(network !== undefined && { "trunkline.dev/node-network": network }),
            };
            const labels: Record<string, string> = reflects ? { rr: "" } : {};
            if (addresses.length === 0) known.delete(name);
            else
              known.set(
                name,
                nodeWith(name, { addresses: unshared(known, name, addresses), labels, annotations }),
              );
          }
          plan = withNodes(plan, facts, "node1", new Set(list.map(({ name }) => name)));
          expect(plan).toEqual(planBird(facts, "node1", links));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is the same one where a node comes into a network that is known, and reflectors tell of it", () => {
    const known = new Map(cluster.nodes);
    const facts: ClusterFacts = {
      ...cluster,
      bgpConfigurations: new Map([bgp({ nodeToNodeMeshEnabled: false })]),
      nodes: known,
    };
    const before = planBird(facts, "node1", links);
    known.set("node3", nodeWith("node3", { addresses: ["192.168.18.13"] }));
    expect(withNodes(before, facts, "node1", new Set(["node3"]))).toBe(before);
    known.set("node4", nodeWith("node4", { addresses: ["192.168.38.14"] }));
    const after = withNodes(before, facts, "node1", new Set(["node4"]));
    expect(after.config?.families[0]?.guarded).toContain("192.168.38.14/32");
  });
});

/** Which of two nodes of one address has a session is not said. */
function unshared(known: ClusterFacts["nodes"], name: string, addresses: readonly string[]): string[] {
  const taken = [...known.values()].filter(({ metadata }) => metadata.name !== name).flatMap(nodeIps);
  return addresses.filter((one) => !taken.includes(one));
}
