import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { Deployment, ReplicaSet, StatefulSet } from "../../api/kinds/workloads.ts";
import { planOrdinals } from "./ordinals.ts";
import { templateHash } from "./pods.ts";
import { planReplicas } from "./replicas.ts";
import { planRollout } from "./rollout.ts";

const meta = (name: string) => ({
  name,
  namespace: "default",
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const selector = { matchLabels: { app: "web" } };
const template = { metadata: { labels: { app: "web" } }, spec: { containers: [] } };
const rs: ReplicaSet = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata: meta("web"),
  spec: { selector, template },
};

interface Traits {
  owner?: string;
  labels?: Record<string, string>;
  ready?: boolean;
  phase?: "Pending" | "Running" | "Failed";
  created?: string;
  deleting?: boolean;
  node?: string | undefined;
}

function pod(name: string, traits: Traits = {}): Pod {
  const { owner, labels = { app: "web" }, ready = true, phase = "Running", created, deleting } = traits;
  const node = "node" in traits ? traits.node : "node1";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...meta(name),
      labels,
      ...(created && { creationTimestamp: created }),
      ...(deleting && { deletionTimestamp: "2026-01-02T00:00:00Z" }),
      ...(owner && {
        ownerReferences: [{ apiVersion: "v1", kind: "X", name: "x", uid: owner, controller: true }],
      }),
    },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status: { phase, conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

describe("replicas", () => {
  const mine = { owner: "uid-web" };

  it("creates what is missing, not counting pods that end or ended", () => {
    const pods = [
      pod("a", mine),
      pod("b", { ...mine, deleting: true }),
      pod("c", { ...mine, phase: "Failed" }),
    ];
    expect(planReplicas(rs, selector, 3, pods)).toMatchObject({ create: 2, remove: [] });
  });

  it("adopts orphans that match, leaves other controllers' pods alone, and releases what no longer matches", () => {
    const orphan = pod("orphan");
    const strayed = pod("strayed", { ...mine, labels: { app: "other" } });
    const plan = planReplicas(rs, selector, 1, [orphan, strayed, pod("theirs", { owner: "uid-else" })]);
    expect(plan.adopt).toEqual([orphan]);
    expect(plan.release).toEqual([strayed]);
    expect(plan.create).toBe(0);
    expect(plan.status).toEqual({ replicas: 1, readyReplicas: 1 });
  });

  it("gives up first what is not placed, then not running, then not ready, then the youngest", () => {
    const pods = [
      pod("old", mine),
      pod("young", { ...mine, created: "2026-01-01T00:00:09Z" }),
      pod("unready", { ...mine, ready: false }),
      pod("pending", { ...mine, ready: false, phase: "Pending" }),
      pod("unplaced", { ...mine, ready: false, phase: "Pending", node: undefined }),
    ];
    const order = [4, 3, 2, 1].map(
      (replicas) => planReplicas(rs, selector, replicas, pods).remove.at(-1)?.metadata.name,
    );
    expect(order).toEqual(["unplaced", "pending", "unready", "young"]);
  });
});

describe("a rollout", () => {
  const deployment: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: meta("web"),
    spec: { replicas: 4, selector, template },
  };
  const set = (name: string, replicas: number, ready = replicas): ReplicaSet => ({
    ...rs,
    metadata: meta(name),
    spec: { ...rs.spec, replicas },
    status: { replicas, readyReplicas: ready },
  });
  const current = `web-${templateHash(template)}`;

  it("starts with all replicas in one set", () => {
    expect(planRollout(deployment, []).current).toMatchObject({ name: current, replicas: 4 });
  });

  it("adds a quarter and takes away a quarter at a time", () => {
    const first = planRollout(deployment, [set("web-old", 4)]);
    expect(first.current.replicas).toBe(1);
    expect([...first.old]).toEqual([["web-old", 3]]);
    const second = planRollout(deployment, [set("web-old", 3), set(current, 1, 0)]);
    expect(second.current.replicas).toBe(2);
    expect([...second.old]).toEqual([]);
  });

  it("ends with the old set empty, whatever the order of steps", () => {
    let sets = [set("web-old", 4)];
    for (let step = 0; step < 20; step++) {
      const plan = planRollout(deployment, sets);
      const resized = sets.map((one) =>
        set(one.metadata.name, plan.old.get(one.metadata.name) ?? one.spec.replicas ?? 0),
      );
      sets = [...resized.filter((one) => one.metadata.name !== current), set(current, plan.current.replicas)];
      const ready = sets.reduce((sum, one) => sum + (one.status?.readyReplicas ?? 0), 0);
      expect(ready).toBeGreaterThanOrEqual(3);
      expect(ready).toBeLessThanOrEqual(5);
    }
    expect(sets.map((one) => [one.metadata.name, one.spec.replicas])).toEqual([
      ["web-old", 0],
      [current, 4],
    ]);
  });

  it("does not depend on the order of a template's keys", () => {
    const other = { spec: { containers: [] }, metadata: { labels: { app: "web" } } };
    expect(templateHash(other)).toBe(templateHash(template));
  });
});

describe("ordinals", () => {
  const set: StatefulSet = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: meta("db"),
    spec: { replicas: 3, selector, template },
  };
  const hash = templateHash(template);
  const member = (ordinal: number, traits: Traits = {}): Pod =>
    pod(`db-${ordinal}`, { owner: "uid-db", labels: { "controller-revision-hash": hash }, ...traits });

  it("makes one pod at a time, each once those before it are ready", () => {
    expect(planOrdinals(set, []).create).toEqual([0]);
    expect(planOrdinals(set, [member(0, { ready: false })]).create).toEqual([]);
    expect(planOrdinals(set, [member(0)]).create).toEqual([1]);
    expect(planOrdinals(set, [member(0), member(2)]).create).toEqual([1]);
  });

  it("waits for a deleted pod to be gone before it makes the pod of that name again", () => {
    expect(planOrdinals(set, [member(0, { deleting: true }), member(1)]).create).toEqual([]);
  });

  it("shrinks from the highest, one by one, and only when all others are ready", () => {
    const many = [0, 1, 2, 3, 4].map((ordinal) => member(ordinal));
    expect(planOrdinals(set, many).remove.map((one) => one.metadata.name)).toEqual(["db-4"]);
    const leaving = [...many.slice(0, 4), member(4, { deleting: true })];
    expect(planOrdinals(set, leaving).remove).toEqual([]);
  });

  it("makes and removes all at once when Parallel", () => {
    const parallel: StatefulSet = { ...set, spec: { ...set.spec, podManagementPolicy: "Parallel" } };
    expect(planOrdinals(parallel, [member(1)]).create).toEqual([0, 2]);
    const many = [0, 1, 2, 3, 4].map((ordinal) => member(ordinal));
    expect(planOrdinals(parallel, many).remove).toHaveLength(2);
  });

  it("replaces pods of an earlier template from the highest down", () => {
    const stale = { labels: { "controller-revision-hash": "other" } };
    expect(planOrdinals(set, [member(0, stale), member(1, stale), member(2)]).remove[0]?.metadata.name).toBe(
      "db-1",
    );
  });

  it("is not misled by a pod of a like name that is somebody else's", () => {
    expect(
      planOrdinals(set, [pod("db-0", { owner: "uid-other" }), pod("db-00", { owner: "uid-db" })]).create,
    ).toEqual([0]);
  });
});
