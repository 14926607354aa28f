import { describe, expect, it } from "vitest";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import type { SecurityGroup } from "../../api/kinds/security-group.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { subnetsOf } from "../../plan/subnets/pod-enis.suite.ts";
import { cluster, node, pod } from "../cluster.suite.ts";
import { findEnd } from "../ends.ts";
import { explain } from "../explain.ts";
import { clusterEnds, matrixCells } from "../matrix/matrix.ts";
import { parsePort } from "../ports.ts";
import { parseEnd } from "../target.ts";
import { judgesOf } from "./plans.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const group = (id: string, spec: SecurityGroup["spec"]): SecurityGroup => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "SecurityGroup",
  metadata: meta(id),
  spec,
});
const config = (name: string, securityGroupIDs: string[], addresses: string[]): NodeConfig => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta(name),
  status: {
    interfaces: [
      {
        id: `eni-${name}`,
        vSwitchID: "vsw-1",
        mac: "",
        hash: "",
        used: 1,
        idle: 0,
        securityGroupIDs,
        addresses,
      },
    ],
  },
});
const ports = [{ containerPort: 80 }, { containerPort: 81 }];

/** Two shared pods on a, whose group takes 80 from the group of b's pod alone. */
function factsOf(...groups: SecurityGroup[]): ClusterFacts {
  return {
    ...cluster(
      node("a", "192.168.0.1"),
      node("b", "192.168.0.2"),
      pod("a1", "10.2.1.1", "a", { ports }),
      pod("a2", "10.2.1.2", "a", { ports }),
      pod("b1", "10.2.1.3", "b", { ports }),
    ),
    subnets: subnetsOf({ "vsw-1": "10.2.1.0/24" }),
    securityGroups: new Map(groups.map((one) => [one.metadata.name, one])),
    nodeConfigs: new Map([
      ["a", config("a", ["sg-a"], ["10.2.1.1", "10.2.1.2"])],
      ["b", config("b", ["sg-b"], ["10.2.1.3"])],
    ]),
  };
}
const facts = factsOf(
  group("sg-a", { ingress: [{ peers: ["sg-b"], ports: ["80/tcp"] }] }),
  group("sg-b", {}),
);
const asked = (of: ClusterFacts, from: string, to: string, port: string) => {
  const [start, end] = [from, to].map((text) => findEnd(of, parseEnd(text), "default"));
  return explain(of, judgesOf(of), start!, end!, parsePort(port));
};

describe("security groups in explanations", () => {
  it("refuse by name, and tell which rule lets a flow pass", () => {
    const denied = asked(facts, "pod/b1", "pod/a1", "81");
    expect([denied.allowed, denied.expected, denied.ingress.allowed]).toEqual([false, "filtered", false]);
    expect(denied.reasons[0]).toMatch(
      /^ingress denied: security group sg-a of pod\/default\/a1's shared interface eni-a does not let 81\/tcp in from 10\.2\.1\.3$/,
    );
    const passes = asked(facts, "pod/b1", "pod/a1", "80");
    expect(passes.allowed).toBe(true);
    expect(passes.ingress.reason).toMatch(/security group sg-a lets it in, spec\.ingress\[0\]$/);
  });

  it("are not asked between shared pods of one node, nor by a node of its own pods", () => {
    expect(asked(facts, "pod/a1", "pod/a2", "81").allowed).toBe(true);
    expect(asked(facts, "node/a", "pod/a2", "81").allowed).toBe(true);
    expect(asked(facts, "node/b", "pod/a2", "81").allowed).toBe(false);
  });

  it("are in the live matrix, and not in that of policies", () => {
    const ends = clusterEnds(facts);
    const cells = (view: "live" | "policies") =>
      [...matrixCells(facts, judgesOf(facts), { ends, ports: "declared", view })].filter(
        ({ from, to, port }) => from === "pod/default/b1" && to === "pod/default/a1" && port === "81/tcp",
      );
    expect(cells("live")).toMatchObject([{ allowed: false, by: { by: "ingress" } }]);
    expect(cells("policies")).toMatchObject([{ allowed: true }]);
  });

  it("leave the answer open where only their provider has the rules", () => {
    const theirs = factsOf(group("sg-b", {}));
    const answer = asked(theirs, "pod/b1", "pod/a1", "80");
    expect([answer.allowed, answer.unknown]).toEqual([
      null,
      [expect.stringMatching(/whether security group sg-a .*only the provider knows/)],
    ]);
    expect(asked(theirs, "pod/a1", "pod/a2", "80").allowed).toBe(true);
  });

  it("leave the answer open while a node has not told on which interface an end stands", () => {
    const untold = (name: string, addresses: string[]) => {
      const { status, ...rest } = config(name, [`sg-${name}`], addresses);
      const entry = { ...rest, status: { ...status, securityGroupIDs: [`sg-${name}`] } };
      return { ...facts, nodeConfigs: new Map([...facts.nodeConfigs, [name, entry]]) };
    };
    // The pod's own interface, whose groups may be others than the node's usual ones.
    const own = asked(untold("a", []), "pod/b1", "pod/a1", "81");
    expect([own.allowed, own.unknown]).toEqual([
      null,
      [expect.stringMatching(/interface 10\.2\.1\.1 stands/)],
    ]);
    // The peer's, which may be a member of the group that the rule names.
    const theirs = asked(untold("b", []), "pod/b1", "pod/a1", "80");
    expect([theirs.allowed, theirs.unknown]).toEqual([
      null,
      [expect.stringMatching(/interface 10\.2\.1\.3 stands/)],
    ]);
    expect(asked(untold("b", []), "node/b", "pod/a2", "81").allowed).toBe(false);
  });
});
