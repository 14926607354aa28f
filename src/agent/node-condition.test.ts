import { describe, expect, it } from "vitest";
import { nodeKind } from "../api/kinds/core.ts";
import { memoryStore } from "../store/memory.ts";
import { setNodeCondition } from "./node-condition.ts";

describe("a node's condition", () => {
  const set = (store: ReturnType<typeof memoryStore>, status: "True" | "False", message: string) =>
    setNodeCondition(store, "n", { type: "X", status, reason: "R", message });

  it("is written once, beside the others, and keeps the time of its last turn", async () => {
    const store = memoryStore();
    const metadata = { name: "n" };
    await store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata,
      status: { conditions: [{ type: "Ready", status: "True" }] },
    });
    await set(store, "False", "one");
    const first = await store.get(nodeKind, "n");
    await set(store, "False", "one");
    expect((await store.get(nodeKind, "n"))?.metadata.resourceVersion).toBe(first?.metadata.resourceVersion);
    await set(store, "False", "two");
    const conditions = (await store.get(nodeKind, "n"))?.status?.conditions ?? [];
    expect(conditions.map(({ type, message }) => [type, message])).toEqual([
      ["Ready", undefined],
      ["X", "two"],
    ]);
    expect(conditions[1]?.lastTransitionTime).toBe(first?.status?.conditions?.[1]?.lastTransitionTime);
    await store.close();
  });

  it("needs no object", async () => {
    const store = memoryStore();
    await set(store, "True", "");
    expect((await store.list(nodeKind)).items).toEqual([]);
    await store.close();
  });
});
