import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { type Event, eventKind } from "../api/kinds/core.ts";
import { type NetworkPolicy, networkPolicyKind } from "../api/kinds/network-policy.ts";
import { silent } from "../base/log.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { PolicyEvents } from "./policy-events.ts";

const policy = (name: string, spec: unknown) => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy" as const,
  metadata: { name, namespace: "default" },
  spec: spec as NetworkPolicy["spec"],
});

async function eventsOf(store: Store, count: number): Promise<readonly Event[]> {
  for (let left = 100; left > 0; left--) {
    const { items } = await store.list(eventKind);
    if (items.length >= count) return items;
    await sleep(5);
  }
  return [];
}

it("tells an invalid policy's owner once for each state, however often it is started", async () => {
  const store = memoryStore();
  const good = await store.create(networkPolicyKind, policy("good", { podSelector: {} }));
  const bad = await store.create(networkPolicyKind, policy("bad", { podSelector: 7, ingress: [null] }));
  for (const _ of [1, 2]) {
    const events = new PolicyEvents(store, silent);
    events.start();
    const [event, ...more] = await eventsOf(store, 1);
    expect(more).toEqual([]);
    expect(event).toMatchObject({ reason: "InvalidPolicy", type: "Warning", count: 1 });
    expect(event?.involvedObject).toMatchObject({ kind: "NetworkPolicy", uid: bad.metadata.uid });
    expect(event?.message.split("\n")).toEqual([
      expect.stringContaining("(at spec.podSelector)"),
      expect.stringContaining("(at spec.ingress[0])"),
    ]);
    await events.stop();
  }
  const events = new PolicyEvents(store, silent);
  events.start();
  await store.update(networkPolicyKind, { ...good, spec: { policyTypes: ["In" as "Ingress"] } });
  expect((await eventsOf(store, 2)).map((one) => [one.involvedObject.name, one.count])).toEqual([
    ["bad", 1],
    ["good", 1],
  ]);
  await events.stop();
  await store.close();
});
