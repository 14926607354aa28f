import { describe, expect, it } from "vitest";
import type { Node, Pod, Taint, Toleration } from "../api/kinds/core.ts";
import { whyEvicted } from "./eviction.ts";

const meta = { name: "x", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
const node = (...taints: Taint[]): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: meta,
  spec: { taints },
});
const pod = (nodeName: string | undefined, tolerations: Toleration[] = []): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: meta,
  spec: { containers: [], tolerations, ...(nodeName && { nodeName }) },
});

describe("eviction", () => {
  it("takes pods off nodes that are gone or drive them away, and leaves all others", () => {
    const taint: Taint = { key: "k", value: "v", effect: "NoExecute" };
    expect(whyEvicted(pod("a"), undefined)).toBe("node-gone");
    expect(whyEvicted(pod(undefined), undefined)).toBeUndefined();
    expect(whyEvicted(pod("a"), node())).toBeUndefined();
    expect(whyEvicted(pod("a"), node({ ...taint, effect: "NoSchedule" }))).toBeUndefined();
    expect(whyEvicted(pod("a"), node(taint))).toBe("taint");
    expect(whyEvicted(pod("a", [{ key: "k", operator: "Exists" }]), node(taint))).toBeUndefined();
  });
});
