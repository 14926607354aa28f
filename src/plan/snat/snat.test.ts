import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import { ClusterParts } from "./cluster-part.ts";
import { decideSnat } from "./decide.ts";
import {
  block,
  type Cluster,
  clusterFacts,
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
import { leftBlocks, poolRanges } from "./ranges.ts";
import { snatRows } from "./rows.ts";

const vpc = "192.168.200.253";

/** Row, what is set up, the destination, and what the other side sees. */
const cells: readonly [string, Cluster, string, string | undefined, string?][] = [
  ["not-a-pod", { config: masq }, internet, "172.31.0.9", "172.31.0.9"],
  ["own-node", { config: "nonMasqueradeCIDRs: []" }, nodeIp, own],
  ["pod-to-pod", { config: "nonMasqueradeCIDRs: []" }, "172.16.9.9", own],
  ["pod-none", { config: masq, pods: [pod("web", own, { snat: "none" })] }, internet, own],
  ["pod-masquerade", { config: masq, pods: [pod("web", own, { snat: "masquerade" })] }, vpc, nodeIp],
  [
    "pod-masquerade",
    {
      pods: [pod("web", own, { snat: "masquerade" })],
      namespaces: [namespace("shop", "none")],
    },
    internet,
    nodeIp,
  ],
  ["namespace-none", { config: masq, namespaces: [namespace("shop", "none")] }, internet, own],
  ["namespace-masquerade", { config: masq, namespaces: [namespace("shop", "masquerade")] }, vpc, nodeIp],
  [
    "namespace-none",
    {
      namespaces: [namespace("shop", "none")],
      sourceNats: [sourceNat("a", [{ action: { type: "Masquerade" } }])],
    },
    internet,
    own,
  ],
  [
    "source-nat",
    {
      config: masq,
      sourceNats: [sourceNat("a", [{ destinations: ["203.0.113.0/24"], action: { type: "None" } }])],
    },
    internet,
    own,
  ],
  [
    "source-nat",
    {
      config: masq,
      sourceNats: [
        sourceNat("a", [{ action: { type: "Masquerade" } }], { priority: 20 }),
        sourceNat("b", [{ action: { type: "Address", addresses: ["198.51.100.7"] } }], { priority: 10 }),
      ],
    },
    vpc,
    "198.51.100.7",
  ],
  [
    "pool-off",
    { config: masq, pools: [pool("pods", "172.16.0.0/16", { natOutgoing: false })] },
    internet,
    own,
  ],
  ["config-range", { config: masq }, vpc, own],
  ["config-range", { config: masq }, "169.254.169.254", own],
  ["config-others", { config: masq }, internet, nodeIp],
  ["config-others", { config: "masqLinkLocal: true" }, "169.254.169.254", nodeIp],
  ["config-others", { config: "masqueradeCIDRs: [10.5.0.0/16]" }, internet, own],
  ["config-inverse", { config: "masqueradeCIDRs: [203.0.113.0/24]" }, internet, nodeIp],
  [
    "config-inverse",
    { config: "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqueradeCIDRs: [10.5.0.0/16]" },
    "10.5.0.1",
    nodeIp,
  ],
  [
    "config-range",
    { config: "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqueradeCIDRs: [10.0.0.0/8]" },
    "10.5.0.1",
    own,
  ],
  ["pool-on", { pools: [pool("pods", "172.16.0.0/16", { natOutgoing: true })] }, vpc, nodeIp],
  ["nothing", {}, internet, own],
];

describe("the precedence table", () => {
  it.each(cells)("%s", (row, cluster, destination, seen, source = own) => {
    const plan = planOf({ pools: [pods4], pods: [web], nodes: [clusterNode("node1", nodeIp)], ...cluster });
    const decision = decideSnat(plan, { source, destination });
    expect({ row: decision.row, seen: decision.sourceSeen }).toEqual({ row, seen });
  });

  it("has a case for every row", () => {
    expect(new Set(cells.map(([row]) => row))).toEqual(new Set(snatRows.map(({ id }) => id)));
  });

  it("stands in the documentation as it is here", () => {
    const text = readFileSync(new URL("../../../docs/snat.md", import.meta.url), "utf8");
    const lines = snatRows.map(
      ({ id, when, outcome }, at) => `| ${at + 1} | \`${id}\` | ${when} | ${outcome} |`,
    );
    expect(text).toContain(lines.join("\n"));
  });
});

describe("a pod of a subnet", () => {
  const subnets = [subnet("vsw-1", "10.2.1.0/24")];
  const cluster = { subnets, pods: [pod("there", "10.2.1.5")], config: masq };

  it("is asked of by its range, and who else is there is no pod", () => {
    const plan = planOf(cluster, {}, nodeFacts("node1", ["10.2.1.9"]));
    expect(plan.pods).toEqual(new Map());
    const seen = (source: string, passing = false) =>
      decideSnat(plan, { source, destination: internet, passing });
    expect(seen("10.2.1.5")).toMatchObject({ row: "config-others", sourceSeen: "10.2.1.9" });
    for (const other of [seen("10.2.1.9"), seen("10.2.1.77", true)])
      expect(other).toMatchObject({ row: "not-a-pod", action: "None" });
  });

  it("keeps its address where nobody configured anything, and a pool decides before its subnet", () => {
    const decided = (more: Cluster) =>
      decideSnat(planOf({ ...cluster, config: undefined, ...more } as Cluster), {
        source: "10.2.1.5",
        destination: internet,
      });
    expect(decided({})).toMatchObject({ row: "nothing", object: "Subnet/vsw-1", sourceSeen: "10.2.1.5" });
    const over = pool("over", "10.2.0.0/16", { natOutgoing: true });
    expect(decided({ pools: [over] })).toMatchObject({ row: "pool-on", object: "IPPool/over" });
  });
});

describe("reasons", () => {
  it("names the ConfigMap's line", () => {
    const decision = decideSnat(planOf({ pools: [pods4], pods: [web], config: masq }), {
      source: own,
      destination: vpc,
    });
    expect(decision).toMatchObject({
      object: "ConfigMap/kube-system/ip-masq-agent",
      line: 4,
      reason: "192.168.0.0/16 in nonMasqueradeCIDRs, line 4",
    });
  });
});

describe("a pool that was deleted while pods have addresses of it", () => {
  const peer = "172.17.1.6";
  const others = pool("others", "172.16.0.0/16", { natOutgoing: true });
  const seen = (cluster: Cluster, source: string, destination: string) =>
    decideSnat(planOf({ pools: [others], pods: [web, pod("peer", peer)], ...cluster }), {
      source,
      destination,
    }).sourceSeen;

  it("leaves its pods pods, as long as a block of it is there", () => {
    expect(seen({}, own, peer)).toBe(nodeIp);
    const blocks = [block("172.17.1.0/26")];
    expect(seen({ blocks }, own, peer)).toBe(own);
    expect(seen({ blocks }, peer, own)).toBe(peer);
    expect(seen({ blocks }, peer, internet)).toBe(peer);
    expect(seen({ blocks, config: masq }, peer, internet)).toBe(nodeIp);
  });

  it("takes nothing from the pools that are there", () => {
    const blocks = [block("172.16.1.0/26")];
    expect(leftBlocks(clusterFacts({ pools: [others], blocks }))).toEqual([]);
    // Pods of subnets send to what is left by the node's own routes, and not by their interface.
    expect(poolRanges(clusterFacts({ pools: [], blocks }))).toEqual(["172.16.1.0/26"]);
    expect(poolRanges(clusterFacts({ pools: [others], blocks }))).toEqual(["172.16.0.0/16"]);
    const bad = { ...others, spec: { ...others.spec, cidr: "172.16.0.1/16" } };
    expect(poolRanges(clusterFacts({ pools: [bad], blocks }))).toEqual(["172.16.1.0/26"]);
    expect(seen({ blocks }, own, internet)).toBe(nodeIp);
    const loadBalancer = pool("lb", "172.17.0.0/16", { allowedUses: ["LoadBalancer"] });
    expect(seen({ pools: [others, loadBalancer], blocks: [block("172.17.1.0/26")] }, own, peer)).toBe(own);
  });

  it("is planned again when its last block goes, and not for every change of a block", () => {
    const parts = new ClusterParts();
    const read = (...blocks: AddressBlock[]) =>
      parts.read(clusterFacts({ pools: shared, blocks }), undefined);
    const shared = [others];
    const first = read(block("172.17.1.0/26"), block("172.16.1.0/26"));
    expect(read(block("172.17.1.0/26"), block("172.16.2.0/26"))).toBe(first);
    expect(read(block("172.16.2.0/26")).inside).not.toEqual(first.inside);
  });
});

describe("bad configuration", () => {
  const bad = "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 300.0.0.0/8\n";

  it("leaves the last good one in force", () => {
    const plan = planOf(
      { pools: [pods4], config: bad },
      { lastGood: "nonMasqueradeCIDRs: [203.0.113.0/24]" },
    );
    expect(plan.config.state).toBe("last-good");
    expect(plan.config.errors[0]?.position).toMatchObject({ line: 3, column: 3 });
    expect(decideSnat(plan, { source: own, destination: internet }).sourceSeen).toBe(own);
    expect(decideSnat(plan, { source: own, destination: vpc }).sourceSeen).toBe(nodeIp);
  });

  it("means the defaults at a first start, not the absence of rules", () => {
    const plan = planOf({ pools: [pods4], config: bad });
    expect(plan.config.state).toBe("defaults");
    expect(decideSnat(plan, { source: own, destination: internet }).sourceSeen).toBe(nodeIp);
    expect(decideSnat(plan, { source: own, destination: vpc }).sourceSeen).toBe(own);
  });

  it("says so when the key has another name", () => {
    const plan = planOf({ pools: [pods4], configMaps: { "ip-masq-agent": { "config.yaml": "" } } });
    expect(plan.config.findings[0]?.message).toBe(
      "the ConfigMap has no key 'config' (only config.yaml), so the defaults are in force",
    );
  });

  it("finds ranges of pods and services that are not covered", () => {
    const plan = planOf({
      pools: [pods4, pool("six", "fd10::/48")],
      config: "nonMasqueradeCIDRs: [10.0.0.0/8]",
      configMaps: { "eni-config": { eni_conf: '{"service_cidr": "172.21.0.0/20"}' } },
    });
    expect(plan.config.findings.map(({ code }) => code)).toEqual([
      "snat.pods-not-covered",
      "snat.ipv6-unlisted",
      "snat.services-not-covered",
    ]);
  });

  it("leaves out a bad rule and keeps the others", () => {
    const plan = planOf({
      pools: [pods4],
      pods: [web],
      sourceNats: [
        sourceNat("a", [
          { destinations: ["203.0.113.1/24"], action: { type: "None" } },
          { action: { type: "Address", addresses: ["10.0.0.9-10.0.0.1"] } },
          // An API server takes it where its schema is of an earlier release.
          { action: { type: "Address" } as never },
          { action: { type: "Masquerade" } },
        ]),
      ],
    });
    expect(plan.problems.map(({ path }) => path)).toEqual([
      "spec.rules[0].destinations[0]",
      "spec.rules[1].action.addresses[0]",
      "spec.rules[2].action.addresses",
    ]);
    expect(decideSnat(plan, { source: own, destination: internet }).path).toBe("spec.rules[3]");
  });

  it("reports an annotation that means nothing", () => {
    const plan = planOf({ pools: [pods4], pods: [pod("web", own, { snat: "off" })] });
    expect(plan.problems[0]).toMatchObject({ code: "snat.annotation", object: "Pod/shop/web" });
  });
});
