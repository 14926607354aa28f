import { describe, expect, it } from "vitest";
import { type Pod, podIps } from "../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import type { KubeObject, ObjectMeta } from "../../api/object.ts";
import type { Keep } from "./kept.ts";
import { trimmed } from "./trim.ts";

const condition = (type: string) => ({ type, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" });

/** As a server says it: each time anew, with all that is not asked for. */
function pod(name: string, nodeName: string | undefined, ips: readonly string[] = ["10.0.0.1"]): Pod {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "team",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: { app: "web", tier: "front" },
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}", "example.com/a": "b" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "rs", controller: true },
      ],
      managedFields: [{ manager: "kubelet" }],
    },
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      containers: [
        {
          name: "main",
          image: "web:1",
          ports: [{ name: "http", containerPort: 80 }],
          env: [{ name: "A", value: "b" }],
        },
      ],
      nodeSelector: { zone: "h" },
      serviceAccountName: "default",
      volumes: [{ name: "v" }],
    },
    status: {
      phase: "Running",
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      hostIP: "192.168.0.1",
      conditions: [condition("Ready"), condition("PodScheduled"), condition("trunkline.dev/NetworkReady")],
      containerStatuses: [{ name: "main" }],
    },
  };
  // As from a text: no two pods have anything in common.
  return JSON.parse(JSON.stringify(object)) as Pod;
}

function isFrozenWhole(value: unknown): boolean {
  return (
    typeof value !== "object" ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozenWhole))
  );
}

describe("a pod as it is kept", () => {
  it("is without what no network asks for", () => {
    expect(trimmed(pod("a", "n1"), "network")).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "a",
        namespace: "team",
        uid: "a",
        resourceVersion: "1",
        creationTimestamp: "2026-01-01T00:00:00Z",
        labels: { app: "web", tier: "front" },
        annotations: { "example.com/a": "b" },
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "rs", controller: true },
        ],
      },
      spec: {
        nodeName: "n1",
        containers: [{ name: "main", image: "web:1", ports: [{ name: "http", containerPort: 80 }] }],
        nodeSelector: { zone: "h" },
        serviceAccountName: "default",
      },
      status: {
        phase: "Running",
        podIP: "10.0.0.1",
        podIPs: [{ ip: "10.0.0.1" }],
        hostIP: "192.168.0.1",
        conditions: [condition("Ready"), condition("PodScheduled"), condition("trunkline.dev/NetworkReady")],
      },
    });
  });

  it("is whole where all is asked for, but for what only servers read", () => {
    const { managedFields: _, ...metadata } = pod("a", "n1").metadata as ObjectMeta & {
      managedFields: unknown;
    };
    expect(trimmed(pod("a", "n1"), "all")).toEqual({ ...pod("a", "n1"), metadata });
  });

  const here = { node: "n1" };
  it.each<[string, string | undefined, number]>([
    ["on this node", "n1", 3],
    ["on no node yet", undefined, 3],
    ["on another node", "n2", 1],
  ])("%s has the conditions that this node's agent asks of it", (_, nodeName, count) => {
    const { status } = trimmed(pod("a", nodeName), here);
    expect(status?.conditions).toHaveLength(count);
    expect(status?.conditions?.at(-1)?.type).toBe("trunkline.dev/NetworkReady");
  });

  it("has the same addresses, wherever it is", () => {
    const ips = [["10.0.0.1"], ["10.0.0.1", "fd00::1"], []];
    for (const some of ips)
      for (const nodeName of ["n1", "n2", undefined]) {
        const kept = trimmed(pod("a", nodeName, some), here);
        expect(podIps(kept)).toEqual(some);
      }
  });

  it("shares what it has in common with others, and nobody can change it", () => {
    const keep: Keep = { node: "n1" };
    const [a, b] = [trimmed(pod("a", "n2"), keep), trimmed(pod("b", "n3", ["10.0.0.2"]), keep)];
    expect(a.metadata.labels).toBe(b.metadata.labels);
    expect(a.metadata.ownerReferences).toBe(b.metadata.ownerReferences);
    expect(a.spec.containers).toBe(b.spec.containers);
    expect([a.spec.nodeName, b.spec.nodeName]).toEqual(["n2", "n3"]);
    for (const one of [a, b, trimmed(pod("a", "n1"), "network"), trimmed(pod("a", "n1"), "all")])
      expect(isFrozenWhole(one)).toBe(true);
    const other = pod("c", "n2");
    Object.assign(other.metadata, { labels: { app: "web", tier: "back" } });
    expect(trimmed(other, keep).metadata.labels).toEqual({ app: "web", tier: "back" });
  });

  it("may lack what a server always says", () => {
    const bare = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "b" } } as unknown as Pod;
    expect(trimmed(bare, here)).toEqual({ ...bare, spec: undefined, status: undefined });
  });
});

describe("a policy as it is kept", () => {
  const policy = (namespace: string, port: number) =>
    JSON.parse(
      JSON.stringify({
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "web", namespace, managedFields: [] },
        spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ ports: [{ port }] }] },
      }),
    ) as NetworkPolicy;

  it("shares its rules with those that say the same", () => {
    const [a, b, c] = [
      trimmed(policy("a", 80), "network"),
      trimmed(policy("b", 80), "network"),
      trimmed(policy("a", 81), "network"),
    ];
    expect(a.spec).toBe(b.spec);
    expect(a).toEqual({ ...policy("a", 80), metadata: { name: "web", namespace: "a" } });
    expect(b.metadata.namespace).toBe("b");
    expect(c.spec.ingress).toEqual([{ ports: [{ port: 81 }] }]);
    for (const one of [a, b, c]) expect(isFrozenWhole(one)).toBe(true);
  });

  it("is kept as it was written where it has no rules that can be read", () => {
    const broken = { ...policy("a", 80), spec: null } as unknown as NetworkPolicy;
    expect(trimmed(broken, "network").spec).toBeNull();
  });
});

describe("of a node", () => {
  const said = (type: string) => ({ ...condition(type), lastHeartbeatTime: "2026-01-02T00:00:00Z" });
  const addresses = [{ type: "InternalIP" as const, address: "192.0.2.1" }];
  const node = {
    apiVersion: "v1",
    kind: "Node" as const,
    metadata: { ...pod("n1", undefined).metadata, name: "n1", annotations: { "example.com/a": "b" } },
    spec: { podCIDRs: ["10.0.0.0/24"], taints: [] },
    status: {
      addresses,
      conditions: [said("MemoryPressure"), said("Ready"), said("NetworkUnavailable")],
      images: [{}],
      capacity: { cpu: "2" },
      nodeInfo: { kernelVersion: "6.12" },
    },
  };

  it("its own agent has the conditions whole, and nothing of the machine", () => {
    const { spec, status } = trimmed(node, { node: "n1" });
    expect(spec).toEqual(node.spec);
    expect(status).toEqual({ addresses, conditions: node.status.conditions });
  });

  it("other agents have what is asked of it", () => {
    const { metadata, status } = trimmed(node, { node: "n2" });
    expect(metadata.annotations).toEqual({ "example.com/a": "b" });
    expect(status).toEqual({ addresses, conditions: [condition("Ready"), condition("NetworkUnavailable")] });
  });

  it("one that says nothing yet stays so", () => {
    const { status: _status, ...fresh } = node;
    expect(trimmed<KubeObject>(fresh, { node: "n2" })).toMatchObject({ status: {} });
  });
});
