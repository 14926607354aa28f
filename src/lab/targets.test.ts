import { describe, expect, it } from "vitest";
import type { Node, Pod } from "../api/kinds/core.ts";
import type { Host } from "../api/kinds/host.ts";
import type { KubeObject } from "../api/object.ts";
import { findMember, findParty, outsideHosts, type Population, runningPods } from "./targets.ts";

const meta = (name: string, namespace?: string) => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
  ...(namespace && { namespace }),
});

function pod(
  name: string,
  namespace: string,
  ip: string | undefined,
  owner?: [kind: string, name: string],
): Pod {
  const ownerReferences = owner
    ? [{ apiVersion: "v1", kind: owner[0], name: owner[1], uid: `uid-${owner[1]}`, controller: true }]
    : [];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta(name, namespace), ownerReferences },
    spec: { containers: [{ name: "c", ports: [{ containerPort: 80 }] }], nodeName: "node1" },
    status: {
      phase: ip === undefined ? "Pending" : "Running",
      ...(ip && { podIP: ip }),
      conditions: [{ type: "Ready", status: ip === undefined ? "False" : "True" }],
    },
  };
}
const node: Node = {
  apiVersion: "v1",
  kind: "Node",
  metadata: meta("node1"),
  status: { addresses: [{ type: "InternalIP", address: "192.168.18.11" }] },
};
const host = (name: string, role: "host" | "router", address: string): Host => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Host",
  metadata: meta(name),
  spec: { addresses: [address], ports: [{ port: 5432 }], role },
});

const workloads: Record<string, KubeObject> = {
  "ReplicationController default/web": {
    apiVersion: "v1",
    kind: "ReplicationController",
    metadata: meta("web", "default"),
  },
  "Deployment default/app": { apiVersion: "apps/v1", kind: "Deployment", metadata: meta("app", "default") },
  "ReplicaSet default/app-1": {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      ...meta("app-1", "default"),
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "Deployment", name: "app", uid: "uid-app", controller: true },
      ],
    },
  },
};
const all = [
  pod("web-b", "default", "10.1.0.2", ["ReplicationController", "web"]),
  pod("web-a", "default", undefined, ["ReplicationController", "web"]),
  pod("app-1-x", "default", "10.1.0.3", ["ReplicaSet", "app-1"]),
  pod("single", "shop", "10.1.0.4"),
];
const population: Population = {
  pods: new Map(all.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
  nodes: new Map([["node1", node]]),
  hosts: new Map([
    ["db", host("db", "host", "10.9.0.9")],
    ["gate", host("gate", "router", "192.168.18.1")],
  ]),
  workload: async (kind, key) => workloads[`${kind} ${key}`],
};

describe("who is meant", () => {
  it.each([
    ["pod/single", "shop", "pod/shop/single"],
    ["po/shop/single", "default", "pod/shop/single"],
    ["rc/web", "default", "pod/default/web-b"],
    ["deployment/app", "default", "pod/default/app-1-x"],
    ["node/node1", "default", "node/node1"],
    ["host/db", "default", "host/db"],
    ["10.1.0.4", "default", "pod/shop/single"],
    ["192.168.18.11", "default", "node/node1"],
    ["203.0.113.7", "default", "203.0.113.7"],
  ])("%s in %s is %s", async (word, namespace, expected) => {
    expect((await findParty(word, namespace, population)).name).toBe(expected);
  });

  it.each([
    ["pod/nobody", "lab.party"],
    ["pod/single", "lab.party"],
    ["thing/web", "lab.party"],
    ["rc/other", "lab.party"],
    ["pod/web-a", "lab.no-ready-pod"],
  ])("refuses %s in namespace default as %s", async (word, code) => {
    await expect(findParty(word, "default", population)).rejects.toMatchObject({ code });
  });

  it("takes bare names for members first, then for pods", async () => {
    expect((await findMember("gate", "default", population, ["gate"])).home).toEqual({ member: "gate" });
    expect((await findMember("single", "shop", population, ["gate"])).name).toBe("pod/shop/single");
    await expect(findMember("nobody", "default", population, ["gate"])).rejects.toMatchObject({
      code: "lab.no-member",
    });
  });

  it("counts pods that run, of some namespaces, and hosts but no routers", () => {
    expect(runningPods(population).map(({ name }) => name)).toEqual([
      "pod/default/app-1-x",
      "pod/default/web-b",
      "pod/shop/single",
    ]);
    expect(runningPods(population, ["shop"]).map(({ name }) => name)).toEqual(["pod/shop/single"]);
    expect(outsideHosts(population).map(({ name }) => name)).toEqual(["host/db"]);
  });
});
