import { describe, expect, it } from "vitest";
import type { Node, Pod, PodSpec, Taint, Toleration } from "../../api/kinds/core.ts";
import { tolerates } from "./node-match.ts";
import { type NodeLoad, place } from "./place.ts";

const meta = { uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function load(
  name: string,
  more: Partial<NodeLoad> & { labels?: Record<string, string>; taints?: Taint[] } = {},
): NodeLoad {
  const node: Node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...meta, name, labels: more.labels ?? {} },
    spec: { taints: more.taints ?? [] },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  };
  return { node, pods: 0, byOwner: new Map(), hostPorts: new Set(), ...more };
}

function pod(spec: Partial<PodSpec> = {}, owner?: string): Pod {
  const ownerReferences = owner
    ? [{ apiVersion: "v1", kind: "ReplicationController", name: "o", uid: owner, controller: true }]
    : [];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta, name: "p", namespace: "default", ownerReferences },
    spec: { containers: [], ...spec },
  };
}

const required = (...terms: NonNullable<PodSpec["affinity"]>[] | object[]): PodSpec["affinity"] => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms as never } },
});

describe("placing a pod", () => {
  it("takes the node with the fewest pods, then the fewest of the same workload, then the first by name", () => {
    expect(place(pod(), [load("b"), load("a")])).toEqual({ node: "a" });
    expect(place(pod(), [load("a", { pods: 2 }), load("b", { pods: 1 })])).toEqual({ node: "b" });
    const mine = load("a", { pods: 1, byOwner: new Map([["rc", 1]]) });
    expect(place(pod({}, "rc"), [mine, load("b", { pods: 1 })])).toEqual({ node: "b" });
  });

  it("holds a nodeSelector and says in Kubernetes' words why nothing fits", () => {
    const spec = { nodeSelector: { "terway-config": "eni-config-fixed" } };
    const fixed = load("c", {
      labels: { "terway-config": "eni-config-fixed" },
      taints: [{ key: "fixed", value: "true", effect: "NoSchedule" }],
    });
    expect(place(pod(spec), [load("a"), load("b"), fixed])).toEqual({
      unschedulable:
        "0/3 nodes are available: 1 node(s) had untolerated taint {fixed: true}, 2 node(s) didn't match Pod's node affinity/selector.",
    });
    const tolerant = {
      ...spec,
      tolerations: [{ key: "fixed", operator: "Equal", value: "true", effect: "NoSchedule" }] as Toleration[],
    };
    expect(place(pod(tolerant), [load("a"), load("b"), fixed])).toEqual({ node: "c" });
  });

  it("ORs terms, ANDs what is inside one, and takes an empty term for none", () => {
    const nodes = [load("a", { labels: { zone: "x", size: "5" } }), load("b", { labels: { zone: "y" } })];
    const one = {
      matchExpressions: [
        { key: "zone", operator: "In", values: ["x"] },
        { key: "size", operator: "Gt", values: ["9"] },
      ],
    };
    const other = { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["x"] }] };
    expect(place(pod({ affinity: required(one, other)! }), nodes)).toEqual({ node: "b" });
    expect(place(pod({ affinity: required(one)! }), nodes)).toHaveProperty("unschedulable");
    expect(place(pod({ affinity: required({})! }), nodes)).toHaveProperty("unschedulable");
    const byName = { matchFields: [{ key: "metadata.name", operator: "In", values: ["b"] }] };
    expect(place(pod({ affinity: required(byName)! }), nodes)).toEqual({ node: "b" });
  });

  it("follows preferences before it spreads, and avoids PreferNoSchedule", () => {
    const affinity = {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 10, preference: { matchExpressions: [{ key: "ssd", operator: "Exists" as const }] } },
        ],
      },
    };
    const nodes = [load("a"), load("b", { pods: 5, labels: { ssd: "" } })];
    expect(place(pod({ affinity }), nodes)).toEqual({ node: "b" });
    const soft = load("a", { taints: [{ key: "k", effect: "PreferNoSchedule" }] });
    expect(place(pod(), [soft, load("b", { pods: 9 })])).toEqual({ node: "b" });
    expect(place(pod(), [soft])).toEqual({ node: "a" });
  });

  it("skips nodes that are cordoned, not ready, or whose host ports are taken", () => {
    const cordoned = load("a");
    const nodes = [
      { ...cordoned, node: { ...cordoned.node, spec: { unschedulable: true } } },
      { ...cordoned, node: { ...cordoned.node, status: {} } },
      load("b", { hostPorts: new Set(["80/TCP"]) }),
    ];
    const spec = { containers: [{ name: "c", ports: [{ containerPort: 8080, hostPort: 80 }] }] };
    expect(place(pod(spec), nodes)).toEqual({
      unschedulable:
        "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) were unschedulable.",
    });
  });
});

describe("tolerations", () => {
  const taint: Taint = { key: "k", value: "v", effect: "NoSchedule" };
  it.each<[string, Toleration, boolean]>([
    ["Equal is the default", { key: "k", value: "v" }, true],
    ["another value", { key: "k", value: "w" }, false],
    ["Exists ignores the value", { key: "k", operator: "Exists" }, true],
    ["another effect", { key: "k", operator: "Exists", effect: "NoExecute" }, false],
    ["no key with Exists covers all", { operator: "Exists" }, true],
    ["no key with Equal covers none", { operator: "Equal", value: "v" }, false],
  ])("%s", (_what, toleration, expected) => {
    expect(tolerates([toleration], taint)).toBe(expected);
  });
});
