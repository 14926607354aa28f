import { describe, expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { ReplicaSet } from "../../api/kinds/workloads.ts";
import { whyNotCondition, whyNotReady } from "./readiness.ts";

const metadata = {
  name: "x",
  namespace: "a",
  uid: "u",
  resourceVersion: "1",
  creationTimestamp: "t",
  generation: 2,
};
const pod = (status: NonNullable<Pod["status"]>, more: object = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...metadata, ...more },
  spec: { containers: [] },
  status,
});
const set = (replicas: number | undefined, status: NonNullable<ReplicaSet["status"]>): ReplicaSet => ({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata,
  spec: {
    ...(replicas === undefined ? {} : { replicas }),
    selector: {},
    template: { spec: { containers: [] } },
  },
  status,
});
const ready = [{ type: "Ready", status: "True" }] as const;

describe("readiness", () => {
  it("of pods", () => {
    expect(whyNotReady(pod({ phase: "Running", conditions: ready }))).toBeUndefined();
    expect(whyNotReady(pod({ phase: "Succeeded" }))).toBeUndefined();
    expect(whyNotReady(pod({ phase: "Pending", message: "no address is free" }))).toBe(
      "Pending: no address is free",
    );
    expect(whyNotReady(pod({ phase: "Failed" }))).toBe("Failed");
    expect(whyNotReady(pod({ conditions: ready }, { deletionTimestamp: "t" }))).toBe("it is being deleted");
  });

  it("of workloads", () => {
    expect(whyNotReady(set(2, { replicas: 2, readyReplicas: 2 }))).toBeUndefined();
    expect(whyNotReady(set(undefined, { replicas: 1, readyReplicas: 1 }))).toBeUndefined();
    expect(whyNotReady(set(0, {}))).toBeUndefined();
    expect(whyNotReady(set(2, { replicas: 2, readyReplicas: 1 }))).toBe("1 of 2 pods are ready");
    expect(whyNotReady(set(2, { replicas: 5, readyReplicas: 5 }))).toBe(
      "5 of 2 pods are ready, 3 too many exist",
    );
    const old = set(2, { replicas: 2, readyReplicas: 2, observedGeneration: 1 });
    expect(whyNotReady(old)).toMatch(/not been acted on/);
  });

  it("of conditions", () => {
    expect(whyNotCondition(pod({ conditions: ready }), "ready")).toBeUndefined();
    expect(whyNotCondition(pod({}), "Initialized")).toMatch(/Initialized is not True/);
    expect(whyNotCondition(pod({ conditions: ready }), "Ready", "false")).toMatch(/Ready is not false/);
    expect(whyNotCondition(pod({}), "Available")).toMatch(/Available is not True/);
    expect(whyNotCondition(set(2, { replicas: 2, readyReplicas: 2 }), "Available")).toBeUndefined();
    expect(whyNotCondition(set(2, { replicas: 2, readyReplicas: 1 }), "available")).toMatch(/1 of 2/);
  });
});
