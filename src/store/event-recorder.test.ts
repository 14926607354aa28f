import { describe, expect, it, vi } from "vitest";
import { eventKind } from "../api/kinds/core.ts";
import { silent } from "../base/log.ts";
import { type EventDraft, EventRecorder } from "./event-recorder.ts";
import { memoryStore } from "./memory.ts";

const draft: EventDraft = {
  object: { apiVersion: "v1", kind: "Pod", name: "web", namespace: "shop", uid: "u" },
  reason: "FailedScheduling",
  message: "there is no node",
  type: "Warning",
};

describe("event recorder", () => {
  it("signs events with who tells them, and for which node", async () => {
    const store = memoryStore();
    new EventRecorder(store, { component: "default-scheduler" }, silent).record(draft);
    new EventRecorder(store, { component: "kubelet", host: "node1" }, silent).record(draft);
    await expect.poll(async () => (await store.list(eventKind, "shop")).items.length).toBe(2);
    const { items } = await store.list(eventKind, "shop");
    const signed = items.map(({ source, reportingComponent, reportingInstance }) => ({
      source,
      reportingComponent,
      reportingInstance,
    }));
    expect(signed).toContainEqual({
      source: { component: "default-scheduler" },
      reportingComponent: "default-scheduler",
      reportingInstance: "",
    });
    expect(signed).toContainEqual({
      source: { component: "kubelet", host: "node1" },
      reportingComponent: "kubelet",
      reportingInstance: "node1",
    });
  });

  it("does not tell the same at once again", async () => {
    const store = memoryStore();
    const recorder = new EventRecorder(store, { component: "kubelet", host: "node1" }, silent);
    recorder.record(draft);
    recorder.record(draft);
    recorder.record({ ...draft, message: "another" });
    await expect.poll(async () => (await store.list(eventKind)).items.length).toBe(2);
    expect((await store.list(eventKind)).items.map((event) => event.count)).toEqual([1, 1]);
  });

  it("counts what an earlier process has told, unless once is enough, and asks the store for nothing else", async () => {
    const store = memoryStore();
    const get = vi.spyOn(store, "get");
    const again = (more: Partial<EventDraft>) =>
      new EventRecorder(store, { component: "kubelet", host: "node1" }, silent).record({ ...draft, ...more });
    const counts = async () => (await store.list(eventKind)).items.map(({ count }) => count);
    again({});
    await expect.poll(counts).toEqual([1]);
    expect(get).not.toHaveBeenCalled();
    again({ once: true });
    again({});
    await expect.poll(counts).toEqual([2]);
    expect(get).toHaveBeenCalledTimes(1);
  });

  it("tells again what was deleted since", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const store = memoryStore();
    const recorder = new EventRecorder(store, { component: "kubelet", host: "node1" }, silent);
    const names = async () => (await store.list(eventKind)).items.map(({ metadata }) => metadata.name);
    recorder.record(draft);
    await vi.waitFor(async () => expect(await names()).toHaveLength(1));
    const [name = ""] = await names();
    await store.delete(eventKind, name, "shop");
    vi.advanceTimersByTime(10_000);
    recorder.record(draft);
    await vi.waitFor(async () => expect(await names()).toEqual([name]));
    vi.useRealTimers();
  });
});
