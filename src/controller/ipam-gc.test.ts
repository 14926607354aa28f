import { describe, expect, it } from "vitest";
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { nodeKind } from "../api/kinds/core.ts";
import { ownerMissingSince } from "../ipam/block-object.ts";
import { FakeClock, idle } from "../ipam/harness.suite.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { IpamCollector } from "./ipam-gc.ts";

describe("IpamCollector", () => {
  const claim = (store: Store, node: string) =>
    store.create(addressBlockKind, {
      apiVersion: addressBlockKind.apiVersion,
      kind: "AddressBlock",
      metadata: { name: "10-1-0-0-26" },
      spec: { cidr: "10.1.0.0/26", pool: "p", node, state: "confirmed" },
    });

  it("waits for the grace, and begins anew when the node was there in between", async () => {
    const [store, clock] = [memoryStore(), new FakeClock()];
    const collector = new IpamCollector({ store, clock, graceMs: 1000 });
    await claim(store, "a");
    expect(await collector.pass()).toEqual([]);
    clock.advance(999);
    await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
    expect(await collector.pass()).toEqual([]);
    await store.delete(nodeKind, "a");
    clock.advance(1);
    expect(await collector.pass()).toEqual([]);
    clock.advance(1000);
    expect(await collector.pass()).toHaveLength(1);
    expect(await store.get(addressBlockKind, "10-1-0-0-26")).toBeUndefined();
  });

  it("takes its time whatever becomes of the date", async () => {
    const [store, clock] = [memoryStore(), new FakeClock()];
    const collector = new IpamCollector({ store, clock, graceMs: 1000 });
    await claim(store, "a");
    await collector.pass();
    clock.setDate(1_000_000);
    clock.advance(999);
    expect(await collector.pass()).toEqual([]);
    clock.setDate(-2_000_000);
    clock.advance(1);
    expect(await collector.pass()).toHaveLength(1);
  });

  it("writes into a block that its owner is missing, and takes that off when the owner is back", async () => {
    const [store, clock] = [memoryStore(), new FakeClock()];
    const collector = new IpamCollector({ store, clock, graceMs: 1000 });
    const block = async () => (await store.get(addressBlockKind, "10-1-0-0-26"))!;
    await claim(store, "a");
    const began = clock.now();
    await collector.pass();
    expect(ownerMissingSince(await block())).toBe(began);
    const { resourceVersion } = (await block()).metadata;
    clock.advance(500);
    await collector.pass();
    expect((await block()).metadata.resourceVersion).toBe(resourceVersion);
    await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
    await collector.pass();
    expect(ownerMissingSince(await block())).toBeUndefined();
  });

  it("looks at once when a node is deleted", async () => {
    const [store, clock] = [memoryStore(), new FakeClock()];
    await claim(store, "a");
    await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
    const collector = new IpamCollector({ store, clock, graceMs: 1000 }).start();
    await idle(10);
    await store.delete(nodeKind, "a");
    await idle(10);
    // The clock has not moved.
    expect(ownerMissingSince((await store.get(addressBlockKind, "10-1-0-0-26"))!)).toBe(clock.now());
    await collector.close();
  });

  it("leaves a block alone that its owner has written since the look", async () => {
    const [store, clock] = [memoryStore(), new FakeClock()];
    const block = await claim(store, "a");
    const racing: Store = {
      ...store,
      get: store.get.bind(store),
      create: store.create.bind(store),
      watch: store.watch.bind(store),
      close: store.close.bind(store),
      update: store.update.bind(store),
      delete: store.delete.bind(store),
      async list(kind, namespace) {
        const listing = await store.list(kind, namespace);
        // The node comes back after the blocks were listed and before the nodes are.
        if (kind.kind === "Node")
          await store.update(addressBlockKind, {
            ...block,
            metadata: { ...block.metadata, annotations: { back: "yes" } },
          });
        return listing;
      },
    };
    const collector = new IpamCollector({ store: racing, clock, graceMs: 0 });
    expect(await collector.pass()).toEqual([]);
    expect(await store.get(addressBlockKind, "10-1-0-0-26")).toBeDefined();
  });
});
