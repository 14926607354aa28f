import { describe, expect, it } from "vitest";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { nodeWith, pool as poolOf } from "../../plan/routing/bird/facts.suite.ts";
import { block, facts as plainFacts } from "../../plan/routing/facts.suite.ts";
import { clusterRows } from "./tables.ts";
import { waysTo, wordedWays } from "./ways.ts";

const member = (name: string, address: string, inner?: string) =>
  nodeWith(name, {
    addresses: [address],
    annotations: {
      "trunkline.dev/node-network": `${address}/24`,
      ...(inner !== undefined && { "projectcalico.org/IPv4VXLANTunnelAddr": inner }),
    },
  });
const nodes = [
  member("a", "192.168.18.11", "10.1.0.1"),
  member("b", "192.168.18.12", "10.1.0.65"),
  member("c", "192.168.28.13", "10.1.0.129"),
  // Its tunnel does not stand yet.
  member("d", "192.168.28.14"),
];
const cluster = (spec: Partial<IPPool["spec"]>): ClusterFacts => ({
  ...plainFacts(nodes, [block("10.1.0.0/26", "a"), block("10.1.0.128/26", "c")]),
  pools: new Map([poolOf("p", { cidr: "10.1.0.0/16", ...spec })]),
});

describe("ways to a node", () => {
  it("are told by node where a tunnel is between LANs only, or does not stand yet", () => {
    const facts = cluster({ vxlanMode: "CrossSubnet" });
    expect(waysTo(facts, "p", "a")).toEqual([
      { through: "direct", from: ["b", "d"] },
      { through: "vxlan", from: ["c"] },
    ]);
    const [first] = clusterRows(facts, new Map());
    expect(first).toMatchObject({ announcedBy: "a", through: "vxlan" });
    expect(first?.why).toMatch(/; direct from b, d; vxlan from c$/);
  });

  it("are one where all nodes send alike, and nothing is said of it", () => {
    const facts = cluster({ vxlanMode: "Always" });
    const ready: ClusterFacts = {
      ...facts,
      nodes: new Map([...facts.nodes].filter(([name]) => name !== "d")),
    };
    const rows = clusterRows(ready, new Map());
    expect(rows.map(({ through, ways }) => [through, ways])).toEqual([
      ["vxlan", undefined],
      ["vxlan", undefined],
    ]);
    expect(rows[0]?.why).not.toContain(" from ");
    // Between two nodes of one LAN nothing is encapsulated, whatever the pool's word is.
    const near: ClusterFacts = {
      ...cluster({ vxlanMode: "CrossSubnet" }),
      nodes: new Map([...facts.nodes].filter(([name]) => name === "a" || name === "b")),
    };
    expect(clusterRows(near, new Map())[0]).toMatchObject({ announcedBy: "a", through: "direct" });
  });

  it("are not looked at where no tunnel is asked for", () => {
    expect(waysTo(cluster({}), "p", "a")).toEqual([]);
    expect(waysTo(cluster({ vxlanMode: "Always" }), "p", "lost")).toEqual([]);
  });

  it("name few nodes, and count the others", () => {
    const from = ["a", "b", "c", "d", "e", "f", "g"];
    expect(wordedWays([{ through: "vxlan", from }])).toBe("vxlan from a, b, c, d, e and 2 more");
  });
});
