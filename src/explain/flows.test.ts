import { describe, expect, it } from "vitest";
import type { Node } from "../api/kinds/core.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import { cluster, heldEgress, node, pod } from "./cluster.suite.ts";
import { findEnd } from "./ends.ts";
import { explain } from "./explain.ts";
import { explanationText } from "./explain-text.ts";
import { judgesOf } from "./judges/plans.ts";
import { parseEnd, parseTarget } from "./target.ts";

const on = (name: string, address: string, state = "on"): Node => {
  const { metadata, ...rest } = node(name, address);
  return { ...rest, metadata: { ...metadata, annotations: { "trunkline.dev/flow-tables": state } } };
};
const both = [on("n1", "192.168.18.3"), on("n2", "192.168.18.4")] as const;

function ask(facts: ClusterFacts, from: string, to: string) {
  const target = parseTarget(to);
  const ends = [findEnd(facts, parseEnd(from), "default"), findEnd(facts, target.end, "default")] as const;
  return explain(facts, judgesOf(facts), ...ends, target.port);
}
const told = (facts: ClusterFacts, from: string, to: string) =>
  (ask(facts, from, to).flowTables ?? []).map(({ node: name, offloaded, reason }) =>
    offloaded ? name : `${name}: ${reason}`,
  );

describe("flow tables in an explanation", () => {
  it.each([
    ["on one node", "pod/web", "pod/db:3306", ["n1"]],
    ["on both nodes", "pod/web", "pod/api:80", ["n1", "n2"]],
    ["on the pod's node", "pod/web", "host/out:80", ["n1"]],
    ["from outside", "host/out", "pod/api:80", ["n2"]],
    ["not to the node itself", "pod/web", "node/n1:22", ["n1: one end of it is node n1 itself"]],
    ["not from the node itself", "node/n1", "pod/web:80", ["n1: one end of it is node n1 itself"]],
    ["not for what never leaves", "pod/web", "pod/web:80", []],
    ["not for SCTP", "pod/web", "pod/api:80/sctp", []],
    ["to another node", "pod/web", "node/n2:22", ["n1"]],
  ])("%s", (_, from, to, expected) => expect(told(cluster(...both), from, to)).toEqual(expected));

  it("are not for an echo", () => {
    const facts = cluster(...both);
    const [web, api] = ["pod/web", "pod/api"].map((name) => findEnd(facts, parseEnd(name), "default"));
    expect(explain(facts, judgesOf(facts), web!, api!, "icmp")).not.toHaveProperty("flowTables");
  });

  it("are not spoken of where nodes say nothing of them", () => {
    expect(ask(cluster(), "pod/web", "pod/api:80")).not.toHaveProperty("flowTables");
  });

  it("are off for a pod with a limit, on its node alone", () => {
    const slow = pod("slow", "10.1.0.9", "n1");
    const limited = {
      ...slow,
      metadata: { ...slow.metadata, annotations: { "kubernetes.io/ingress-bandwidth": "1M" } },
    };
    expect(told(cluster(...both, limited), "pod/slow", "pod/api:80")).toEqual([
      "n1: pod/default/slow: its bandwidth is limited",
      "n2",
    ]);
  });

  it("are off where another node translates", () => {
    expect(told(cluster(...both, heldEgress("n2")), "pod/web", "host/out:80")).toEqual([
      "n1: node n2 translates it, to which a mark leads its packets",
    ]);
  });

  it("are off where the node says so, by its words, and the text has a line for each node", () => {
    const facts = cluster(both[0], on("n2", "192.168.18.4", "off: no reason"));
    expect(explanationText(ask(facts, "pod/web", "pod/api:80"))).toMatch(
      / {2}flow {5}offloaded on n1: once .*\n {11}not offloaded on n2: no reason\n/,
    );
  });
});
