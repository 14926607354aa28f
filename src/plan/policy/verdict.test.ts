import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import { emptyFacts } from "../facts.ts";
import { nodeObject } from "./clusters.suite.ts";
import { compilePolicies, verdict } from "./index.ts";

const meta = { namespace: "x", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function pod(name: string, ip: string, more: Partial<Pod["spec"]> = {}): [string, Pod] {
  return [
    `x/${name}`,
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...meta, name, uid: name, labels: { app: name } },
      spec: {
        nodeName: "n1",
        containers: [{ name: "c", ports: [{ name: "web", containerPort: 8080 }] }],
        ...more,
      },
      status: { phase: "Running", podIPs: ip === "" ? [] : [{ ip }] },
    },
  ];
}

function policy(name: string, spec: NetworkPolicy["spec"]): [string, NetworkPolicy] {
  return [
    `x/${name}`,
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { ...meta, name, uid: name },
      spec,
    },
  ];
}

const program = compilePolicies({
  ...emptyFacts(),
  nodes: new Map(["n1", "n2"].map((name) => [name, nodeObject(name)])),
  namespaces: new Map([
    ["x", { apiVersion: "v1", kind: "Namespace", metadata: { ...meta, name: "x", uid: "x" } }],
  ]),
  pods: new Map([
    pod("server", "10.0.0.1"),
    pod("friend", "10.0.0.2"),
    pod("host", "192.168.18.1", { hostNetwork: true }),
    pod("planned", ""),
  ]),
  policies: new Map([
    policy("allow-web", {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [
        { ports: [{ port: 22 }] },
        { from: [{ podSelector: { matchLabels: { app: "friend" } } }], ports: [{ port: "web" }] },
      ],
    }),
    policy("lock", { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress", "Egress"] }),
  ]),
});

describe("verdict", () => {
  it("names the policy, the rule and its path that allow", () => {
    const found = verdict(program, {
      from: { pod: "x/friend" },
      to: { pod: "x/server" },
      protocol: "TCP",
      port: 8080,
    });
    expect(found).toMatchObject({
      allowed: true,
      egress: { reason: "not-isolated", isolated: false, isolatedBy: [] },
      ingress: {
        reason: "rule",
        policy: "x/allow-web",
        rule: 1,
        path: "spec.ingress[1]",
        isolatedBy: ["x/allow-web", "x/lock"],
      },
    });
  });

  it("names the policies that isolate where none allows", () => {
    const found = verdict(program, {
      from: { ip: "203.0.113.9" },
      to: { pod: "x/server" },
      protocol: "TCP",
      port: 80,
    });
    expect(found.egress.reason).toBe("not-a-pod");
    expect(found.ingress).toMatchObject({
      allowed: false,
      reason: "default-deny",
      isolatedBy: ["x/allow-web", "x/lock"],
    });
  });

  it.each([
    ["the pod's own node by address", { ip: "192.168.18.1" }, true, "own-node"],
    ["the pod's own node by name", { node: "n1" }, true, "own-node"],
    ["a pod on the node's network", { pod: "x/host" }, true, "own-node"],
    ["another node", { ip: "192.168.18.2" }, false, "default-deny"],
    ["the pod itself", { pod: "x/server" }, true, "self"],
    ["a pod without an address yet", { pod: "x/planned" }, false, "default-deny"],
  ] as const)("judges %s", (_, from, allowed, reason) => {
    const found = verdict(program, { from, to: { pod: "x/server" }, protocol: "TCP", port: 80 });
    expect([found.ingress.allowed, found.ingress.reason]).toEqual([allowed, reason]);
  });

  it("polices what leaves for the pod's own node", () => {
    const found = verdict(program, {
      from: { pod: "x/server" },
      to: { node: "n1" },
      protocol: "TCP",
      port: 80,
    });
    expect([found.egress.reason, found.ingress.reason]).toEqual(["default-deny", "not-a-pod"]);
  });
});
