import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { eventKind, nodeKind } from "../api/kinds/core.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { silent } from "../base/log.ts";
import { memoryStore } from "../store/memory.ts";
import { PoolEvents } from "./pool-events.ts";

it("tells the owner of a pool that overlaps the nodes' network, and nobody else", async () => {
  const store = memoryStore();
  await store.create(nodeKind, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n", annotations: { "projectcalico.org/IPv4Address": "192.168.66.11/24" } },
    status: { addresses: [{ type: "InternalIP", address: "192.168.66.11" }] },
  });
  const pool = (name: string, cidr: string) =>
    store.create(ipPoolKind, {
      apiVersion: ipPoolKind.apiVersion,
      kind: "IPPool",
      metadata: { name },
      spec: { cidr },
    });
  await pool("good", "10.1.0.0/16");
  const events = new PoolEvents(store, silent);
  events.start();
  try {
    const bad = await pool("nodes", "192.168.0.0/16");
    const told = async () => (await store.list(eventKind)).items;
    for (let left = 200; left > 0 && (await told()).length === 0; left--) await sleep(20);
    const [event, ...more] = await told();
    expect(more).toEqual([]);
    expect(event).toMatchObject({ reason: "PoolOverlaps", type: "Warning" });
    expect(event?.involvedObject).toMatchObject({ kind: "IPPool", name: "nodes", uid: bad.metadata.uid });
    expect(event?.message).toContain("overlaps the network of node n 192.168.66.0/24");
  } finally {
    await events.stop();
    await store.close();
  }
});
