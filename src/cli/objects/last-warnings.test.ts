import { expect, it } from "vitest";
import { type Event, eventKind } from "../../api/kinds/core.ts";
import { memoryStore } from "../../store/memory.ts";
import { lastWarnings } from "./last-warnings.ts";

it("tells the newest warning about each object, and nothing that is no warning", async () => {
  const store = memoryStore();
  const event = (uid: string, message: string, second: number, type: Event["type"] = "Warning") =>
    store.create(eventKind, {
      apiVersion: eventKind.apiVersion,
      kind: "Event",
      metadata: { name: `${uid}.${second}`, namespace: "default" },
      involvedObject: { kind: "Pod", name: uid, namespace: "default", uid },
      reason: "Because",
      message,
      type,
      lastTimestamp: `2026-01-01T00:00:0${second}Z`,
    } as Event);
  await event("a", "new", 5);
  await event("a", "old", 1);
  await event("a", "good news", 9, "Normal");
  await event("b", "other", 2);
  await event("c", "fine", 3, "Normal");
  expect(Object.fromEntries(await lastWarnings(store))).toEqual({ a: "new", b: "other" });
});
