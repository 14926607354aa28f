import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { withDefaults } from "../api/defaults.ts";
import { configMapKind, namespaceKind, type Pod, podKind } from "../api/kinds/core.ts";
import { replicationControllerKind } from "../api/kinds/workloads.ts";
import type { Draft, Kind, KubeObject } from "../api/object.ts";
import { TrunklineError } from "../base/errors.ts";
import { collectGarbage } from "../store/garbage.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { OwnerGc } from "./owner-gc.ts";

const namespace = (name: string) =>
  withDefaults(namespaceKind, { apiVersion: "v1", kind: "Namespace", metadata: { name } });

function pod(name: string, owner?: KubeObject, more: Partial<Draft<Pod>["metadata"]> = {}): Draft<Pod> {
  const owners = owner && [
    { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid },
  ];
  const metadata = { name, namespace: "a", ...(owners ? { ownerReferences: owners } : {}), ...more };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [{ name: "c" }] } };
}

const rc = (store: Store) =>
  store.create(replicationControllerKind, {
    apiVersion: "v1",
    kind: "ReplicationController",
    metadata: { name: "rc", namespace: "a" },
    spec: { template: { spec: { containers: [{ name: "c" }] } } },
  });

/** Two ways of collecting: the watching one, and one pass on demand. */
const ways = [
  {
    name: "watching",
    async open(store: Store) {
      const gc = new OwnerGc(store);
      await gc.start();
      return { collect: async () => {}, stop: () => gc.stop() };
    },
  },
  {
    name: "one pass",
    open: async (store: Store) => ({ collect: () => collectGarbage(store), stop: async () => {} }),
  },
];

describe.each(ways)("garbage, $name", ({ open }) => {
  let store: Store;
  let gc: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    store = memoryStore();
    await store.create(namespaceKind, namespace("a"));
    gc = await open(store);
  });
  afterEach(async () => {
    await gc.stop();
    await store.close();
  });

  /** Waits until the names of a kind are these. */
  async function names<T extends KubeObject>(kind: Kind<T>, expected: readonly string[]) {
    await gc.collect();
    const abort = new AbortController();
    const read = async () => (await store.list(kind)).items.map((item) => item.metadata.name);
    const { revision } = await store.list(kind);
    if ((await read()).join() !== expected.join())
      for await (const _ of store.watch(kind, { from: revision, signal: abort.signal }))
        if ((await read()).join() === expected.join()) abort.abort();
    expect(await read()).toEqual(expected);
  }

  it("deletes what a deleted owner held, and nothing else", async () => {
    const owner = await rc(store);
    for (const name of ["p1", "p2"]) await store.create(podKind, pod(name, owner));
    await store.create(podKind, pod("free"));
    await store.delete(replicationControllerKind, "rc", "a");
    await names(podKind, ["free"]);
  });

  it("deletes what is created for an owner that has gone already, or was made anew", async () => {
    const old = await rc(store);
    await store.delete(replicationControllerKind, "rc", "a");
    const fresh = await rc(store);
    await store.create(podKind, pod("late", old));
    await store.create(podKind, pod("right", fresh));
    await names(podKind, ["right"]);
  });

  it("keeps what has an owner left, or one of a kind that nobody here knows", async () => {
    const owner = await rc(store);
    const other = await store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "m", namespace: "a" },
    });
    const refs = [owner, other].map(({ apiVersion, kind, metadata: { name, uid } }) => ({
      apiVersion,
      kind,
      name,
      uid,
    }));
    await store.create(podKind, pod("both", undefined, { ownerReferences: refs }));
    const foreign = { apiVersion: "example.com/v1", kind: "Thing", name: "x", uid: "x" };
    await store.create(podKind, pod("foreign", undefined, { ownerReferences: [foreign] }));
    await store.create(podKind, pod("gone", owner));
    await store.delete(replicationControllerKind, "rc", "a");
    await names(podKind, ["both", "foreign"]);
  });

  it("empties a namespace, and only then lets it go", async () => {
    const owner = await rc(store);
    await store.create(podKind, pod("p", owner, { finalizers: ["x/y"] }));
    await store.create(namespaceKind, namespace("b"));
    await store.create(podKind, pod("other", undefined, { namespace: "b" }));
    await store.delete(namespaceKind, "a");
    await names(replicationControllerKind, []);
    await gc.collect();
    let dying = await store.get(podKind, "p", "a");
    while (dying && dying.metadata.deletionTimestamp === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      dying = await store.get(podKind, "p", "a");
    }
    expect((await store.get(namespaceKind, "a"))?.metadata.deletionTimestamp).toBeDefined();
    if (dying) await store.update(podKind, { ...dying, metadata: { ...dying.metadata, finalizers: [] } });
    await names(namespaceKind, ["b"]);
    await names(podKind, ["other"]);
  });

  it("removes what is created in a namespace that is going", async () => {
    await store.create(podKind, pod("holds", undefined, { finalizers: ["x/y"] }));
    await store.delete(namespaceKind, "a");
    await store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "late", namespace: "a" },
    });
    await names(configMapKind, []);
  });
});

it("finds what went while nobody watched", async () => {
  const store = memoryStore();
  const owner = await rc(store);
  await store.create(podKind, pod("p", owner));
  await store.delete(replicationControllerKind, "rc", "a");
  const gc = new OwnerGc(store);
  await gc.start();
  while ((await store.list(podKind)).items.length > 0) await new Promise((resolve) => setImmediate(resolve));
  await gc.stop();
  await store.close();
});

it("asks ever more seldom for what cannot be removed, and holds up nothing else with it", async () => {
  const store = memoryStore();
  const owner = await rc(store);
  for (const name of ["stuck", "other"]) await store.create(podKind, pod(name, owner));
  const remove = store.delete.bind(store);
  let tries = 0;
  vi.spyOn(store, "delete").mockImplementation(async (kind, name, namespace, options) => {
    if (name !== "stuck") return remove(kind, name, namespace, options);
    tries++;
    throw new TrunklineError("store.forbidden", { plural: kind.plural, name });
  });
  const gc = new OwnerGc(store);
  await gc.start();
  await store.delete(replicationControllerKind, "rc", "a");
  await expect
    .poll(async () => (await store.list(podKind)).items.map(({ metadata }) => metadata.name), {
      timeout: 150,
      interval: 10,
    })
    .toEqual(["stuck"]);
  await sleep(1300);
  expect(tries).toBeGreaterThan(1);
  expect(tries).toBeLessThan(5);
  await gc.stop();
  await store.close();
});
