import { describe, expect, it } from "vitest";
import type { Namespace, Node } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { type ClusterFacts, emptyFacts } from "../facts.ts";
import { annotationNames, chooseAddresses, wantsOf } from "./choose.ts";
import { poolsOfNode } from "./pools.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

function pool(name: string, cidr: string, spec: Partial<IPPool["spec"]> = {}): IPPool {
  return {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: meta(name),
    spec: { cidr, ...spec },
  };
}

function facts(pools: IPPool[], namespace: Partial<Namespace["metadata"]> = {}): ClusterFacts {
  const node: Node = { apiVersion: "v1", kind: "Node", metadata: { ...meta("n1"), labels: { rack: "1" } } };
  const ns: Namespace = { apiVersion: "v1", kind: "Namespace", metadata: { ...meta("ns"), ...namespace } };
  return {
    ...emptyFacts(),
    nodes: new Map([["n1", node]]),
    namespaces: new Map([["ns", ns]]),
    pools: new Map(pools.map((one) => [one.metadata.name, one])),
  };
}

function choose(pools: IPPool[], annotations = {}, namespace: Partial<Namespace["metadata"]> = {}) {
  const decision = chooseAddresses(
    facts(pools, namespace),
    { namespace: "ns", name: "p", annotations },
    "n1",
  );
  return {
    names: decision.wants.map((want) => want.pools.map((one) => one.name)),
    problems: decision.problems.map(({ code }) => code),
    decision,
  };
}

const four = pool("four", "10.1.0.0/16");
const other = pool("other", "10.2.0.0/16");
const six = pool("six", "fd00::/48");

describe("chooseAddresses", () => {
  it("takes every pool that its selectors offer, one want a family, in the order of their names", () => {
    expect(choose([six, other, four]).names).toEqual([["four", "other"], ["six"]]);
    expect(choose([four]).decision.wants[0]?.pools).toEqual([
      { name: "four", cidr: "10.1.0.0/16", blockSize: 26 },
    ]);
    expect(choose([six]).decision.wants[0]?.pools[0]?.blockSize).toBe(122);
  });

  it("makes one block of a pool that is smaller than a block", () => {
    expect(choose([pool("small", "10.3.0.0/29")]).decision.wants[0]?.pools[0]?.blockSize).toBe(29);
  });

  it.each([
    ["disabled", { disabled: true }],
    ["manual", { assignmentMode: "Manual" }],
    ["for another node", { nodeSelector: "rack == '2'" }],
    ["for another namespace", { namespaceSelector: "team == 'a'" }],
    ["for tunnels", { allowedUses: ["Tunnel"] }],
    ["unreadable", { nodeSelector: "rack = 1" }],
  ] as const)("leaves out a pool that is %s, and says why", (_, spec) => {
    const { names, decision } = choose([four, pool("out", "10.9.0.0/16", spec)]);
    expect(names).toEqual([["four"]]);
    expect(decision.reasons.map((reason) => reason.text).join()).toContain("Pool out is left out: it");
  });

  it("offers a pool whose selectors match", () => {
    const picky = pool("picky", "10.9.0.0/16", {
      nodeSelector: "rack == '1'",
      namespaceSelector: "has(team)",
    });
    expect(choose([picky], {}, { labels: { team: "a" } }).names).toEqual([["picky"]]);
  });

  it("follows the pod's annotation before its namespace's, past selectors and mode, by name or range", () => {
    const manual = pool("manual", "10.8.0.0/16", { assignmentMode: "Manual", nodeSelector: "!all()" });
    const inherited = { annotations: { [annotationNames[4]]: '["other"]' } };
    expect(choose([four, other, manual], {}, inherited).names).toEqual([["other"]]);
    expect(choose([four, other, manual], { [annotationNames[4]]: '["manual"]' }, inherited).names).toEqual([
      ["manual"],
    ]);
    expect(choose([four, other], { [annotationNames[4]]: '["10.2.0.0/16", "four"]' }).names).toEqual([
      ["other", "four"],
    ]);
  });

  it("leaves the other family to the selectors", () => {
    expect(choose([four, other, six], { [annotationNames[4]]: '["other"]' }).names).toEqual([
      ["other"],
      ["six"],
    ]);
  });

  it.each([
    ["a missing pool", '["nothing"]', "addressing.pools"],
    ["a missing pool beside a good one", '["four", "nothing"]', "addressing.pools"],
    ["a disabled pool", '["off"]', "addressing.pools"],
    ["a pool of the other family", '["six"]', "addressing.pools"],
    ["no list", "four", "addressing.annotation"],
    ["an empty list", "[]", "addressing.pools"],
  ])("refuses %s without a partial result", (_, value, code) => {
    const off = pool("off", "10.7.0.0/16", { disabled: true });
    const { names, problems } = choose([four, six, off], { [annotationNames[4]]: value });
    expect(names).toEqual([]);
    expect(problems).toEqual([code]);
  });

  it("asks for the very addresses that the pod names, one a family", () => {
    const { decision } = choose([four, six], { [annotationNames.addresses]: '["10.1.0.9","fd00::9"]' });
    expect(decision.wants.map(({ address, family }) => [family, address])).toEqual([
      [4, "10.1.0.9"],
      [6, "fd00::9"],
    ]);
    expect(choose([four, six], { [annotationNames.addresses]: '["10.1.0.9"]' }).decision.wants).toHaveLength(
      1,
    );
  });

  it.each([
    ["two of one family", '["10.1.0.9","10.1.0.10"]'],
    ["one outside of every pool", '["192.168.0.1"]'],
    ["what is no address", '["10.1.0"]'],
    ["one of a disabled pool", '["10.7.0.1"]'],
  ])("refuses %s", (_, value) => {
    const off = pool("off", "10.7.0.0/16", { disabled: true });
    expect(choose([four, off], { [annotationNames.addresses]: value }).problems).toEqual([
      "addressing.addresses",
    ]);
  });

  it("says that there is no pool, and why each is left out", () => {
    expect(choose([]).decision.problems[0]?.message).toBe("there is no IPPool");
    const { decision } = choose([pool("out", "10.9.0.0/16", { disabled: true })]);
    expect(() => wantsOf(decision, "n1")).toThrow(
      "Pool out is left out: it is disabled (Create an IPPool that selects the node and the namespace)",
    );
  });
});

describe("poolsOfNode", () => {
  it("has manual pools, as pods may name them, but not those of other nodes or disabled ones", () => {
    const pools = [
      four,
      pool("manual", "10.8.0.0/16", { assignmentMode: "Manual" }),
      pool("off", "10.7.0.0/16", { disabled: true }),
      pool("elsewhere", "10.6.0.0/16", { nodeSelector: "rack == '2'" }),
    ];
    expect([...poolsOfNode(facts(pools), "n1")]).toEqual(["four", "manual"]);
  });
});
