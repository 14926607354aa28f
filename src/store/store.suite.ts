// What every store has to do; each driver's test runs it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConfigMap, configMapKind, type Namespace, namespaceKind } from "../api/kinds/core.ts";
import { type Deployment, deploymentKind } from "../api/kinds/workloads.ts";
import type { Draft, Kind, KubeObject } from "../api/object.ts";
import type { Store, WatchEvent } from "./store.ts";

export interface StoreFixture {
  /** The store, and another view of the same objects (the same store if the driver has only one). */
  readonly stores: readonly [Store, Store];
  /** How many changes the store keeps at least; the suite writes more than twice as many. */
  readonly history: number;
  /** Forgets the history, for stores that keep all of it until they are told. */
  forget?(): Promise<void>;
  close(): Promise<void>;
}

export function map(name: string, data: Record<string, string> = {}, namespace = "a"): Draft<ConfigMap> {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

export function storeSuite(name: string, open: () => Promise<StoreFixture>): void {
  describe(`store: ${name}`, () => {
    let fixture: StoreFixture;
    let store: Store;
    beforeEach(async () => {
      fixture = await open();
      store = fixture.stores[0];
    });
    afterEach(() => fixture.close());
    objectsAndVersions(() => store);
    deletion(() => store);
    watches(
      () => store,
      () => fixture,
    );
  });
}

function objectsAndVersions(store: () => Store): void {
  it("fills in what the store owns", async () => {
    const made = await store().create(configMapKind, map("one", { k: "v" }));
    expect(made.metadata).toMatchObject({ name: "one", namespace: "a" });
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(await store().get(configMapKind, "one", "a")).toEqual(made);
    expect(await store().get(configMapKind, "one", "b")).toBeUndefined();
  });

  it("refuses a second object of the name, in that namespace only", async () => {
    await store().create(configMapKind, map("one"));
    await expect(store().create(configMapKind, map("one"))).rejects.toMatchObject({ code: "store.exists" });
    await store().create(configMapKind, map("one", {}, "b"));
    expect((await store().list(configMapKind)).items.map((item) => item.metadata.namespace)).toEqual([
      "a",
      "b",
    ]);
    expect((await store().list(configMapKind, "b")).items).toHaveLength(1);
  });

  it("refuses a namespaced object without namespace, a cluster-wide one with, and one without name", async () => {
    const naked = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } } as const;
    await expect(store().create(configMapKind, naked)).rejects.toMatchObject({ code: "store.name" });
    const dressed = { apiVersion: "v1", kind: "Namespace", metadata: { name: "x", namespace: "y" } } as const;
    await expect(store().create(namespaceKind, dressed)).rejects.toMatchObject({ code: "store.name" });
    await expect(store().create(configMapKind, map(""))).rejects.toMatchObject({ code: "store.name" });
  });

  it("makes names from generateName", async () => {
    const draft = map("");
    const many = await Promise.all(
      Array.from({ length: 20 }, () =>
        store().create(configMapKind, { ...draft, metadata: { ...draft.metadata, generateName: "web-" } }),
      ),
    );
    const names = new Set(many.map((item) => item.metadata.name));
    expect(names.size).toBe(20);
    for (const name of names) expect(name).toMatch(/^web-[a-z0-9]{5}$/);
  });

  it("writes only over the version that was read", async () => {
    const first = await store().create(configMapKind, map("one", { k: "1" }));
    const second = await store().update(configMapKind, { ...first, data: { k: "2" } });
    expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
    await expect(store().update(configMapKind, { ...first, data: { k: "3" } })).rejects.toMatchObject({
      code: "store.conflict",
    });
    expect((await store().get(configMapKind, "one", "a"))?.data).toEqual({ k: "2" });
    await store().delete(configMapKind, "one", "a");
    await expect(store().update(configMapKind, second)).rejects.toMatchObject({ code: "store.not-found" });
  });

  it("keeps the version of an object that does not change", async () => {
    const first = await store().create(configMapKind, map("one", { k: "1", l: "2" }));
    const same = await store().update(configMapKind, {
      ...first,
      data: { l: "2", k: "1" },
      metadata: { ...first.metadata, uid: "forged", generation: 77 },
    });
    expect(same).toEqual(first);
  });

  it("counts generations of the spec, not of labels or status", async () => {
    const draft = deployment("web");
    const first = await store().create(deploymentKind, draft);
    expect(first.metadata.generation).toBe(1);
    const scaled = await store().update(deploymentKind, { ...first, spec: { ...first.spec, replicas: 5 } });
    expect(scaled.metadata.generation).toBe(2);
    const labelled = await store().update(deploymentKind, {
      ...scaled,
      status: { replicas: 5 },
      metadata: { ...scaled.metadata, labels: { a: "b" } },
    });
    expect(labelled.metadata.generation).toBe(2);
    expect(labelled.metadata.uid).toBe(first.metadata.uid);
  });

  it("does not share what callers hand in", async () => {
    const data = { k: "1" };
    await store().create(configMapKind, map("one", data));
    data.k = "changed behind the store's back";
    expect((await store().get(configMapKind, "one", "a"))?.data).toEqual({ k: "1" });
  });

  it("lets only one of many writers at once win", async () => {
    const first = await store().create(configMapKind, map("one"));
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        store().update(configMapKind, { ...first, data: { n: String(n) } }),
      ),
    );
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });
}

function deletion(store: () => Store): void {
  it("deletes; a second time is a success too", async () => {
    await store().create(configMapKind, map("one"));
    await store().delete(configMapKind, "one", "a");
    await store().delete(configMapKind, "one", "a");
    expect((await store().list(configMapKind)).items).toEqual([]);
  });

  it("deletes only the version and incarnation that was asked for", async () => {
    const old = await store().create(configMapKind, map("one"));
    await store().delete(configMapKind, "one", "a", { uid: old.metadata.uid });
    const next = await store().create(configMapKind, map("one"));
    expect(next.metadata.uid).not.toBe(old.metadata.uid);
    const stale = store().delete(configMapKind, "one", "a", { uid: old.metadata.uid });
    await expect(stale).rejects.toMatchObject({ code: "store.conflict" });
    const version = { resourceVersion: old.metadata.resourceVersion };
    await expect(store().delete(configMapKind, "one", "a", version)).rejects.toMatchObject({
      code: "store.conflict",
    });
    expect(await store().get(configMapKind, "one", "a")).toEqual(next);
  });

  it("keeps the namespaces that no cluster is without, and says of others that they are on their way out", async () => {
    const namespace = (name: string): Draft<Namespace> => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, finalizers: ["a/hold"] },
      status: { phase: "Active" },
    });
    for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) {
      // A cluster has them from its first moment.
      if (!(await store().get(namespaceKind, name))) await store().create(namespaceKind, namespace(name));
      await expect(store().delete(namespaceKind, name)).rejects.toMatchObject({ code: "store.forbidden" });
      expect((await store().get(namespaceKind, name))?.metadata.deletionTimestamp).toBeUndefined();
    }
    await store().create(namespaceKind, namespace("shop"));
    await store().delete(namespaceKind, "shop");
    expect(await store().get(namespaceKind, "shop")).toMatchObject({ status: { phase: "Terminating" } });
    // Other kinds may be called so.
    await store().create(configMapKind, map("default"));
    await store().delete(configMapKind, "default", "a");
    expect(await store().get(configMapKind, "default", "a")).toBeUndefined();
  });

  it("waits for finalizers", async () => {
    const draft = map("one");
    await store().create(configMapKind, { ...draft, metadata: { ...draft.metadata, finalizers: ["x/y"] } });
    await store().delete(configMapKind, "one", "a");
    const dying = await store().get(configMapKind, "one", "a");
    expect(dying?.metadata.deletionTimestamp).toBeDefined();
    await store().delete(configMapKind, "one", "a");
    expect(await store().get(configMapKind, "one", "a")).toEqual(dying);
    if (!dying) return;
    const { deletionTimestamp: _, ...undying } = dying.metadata;
    const kept = await store().update(configMapKind, {
      ...dying,
      metadata: { ...undying, labels: { a: "b" } },
    });
    expect(kept.metadata.deletionTimestamp).toBe(dying.metadata.deletionTimestamp);
    await store().update(configMapKind, { ...kept, metadata: { ...kept.metadata, finalizers: [] } });
    expect(await store().get(configMapKind, "one", "a")).toBeUndefined();
  });
}

function watches(store: () => Store, fixture: () => StoreFixture): void {
  it("tells every change after a listing, in order, of that kind and namespace", async () => {
    await store().create(configMapKind, map("before"));
    const { revision } = await store().list(configMapKind);
    const seen = collect(store(), configMapKind, revision, "a");
    const one = await store().create(configMapKind, map("one"));
    await store().create(configMapKind, map("elsewhere", {}, "b"));
    await store().create(namespaceKind, namespace("n"));
    await store().update(configMapKind, { ...one, data: { k: "v" } });
    await store().delete(configMapKind, "one", "a");
    await store().delete(configMapKind, "before", "a");
    expect(await seen.until(4)).toEqual([
      "added a/one",
      "modified a/one",
      "deleted a/one",
      "deleted a/before",
    ]);
    await seen.stop();
  });

  it("resumes from any event's revision", async () => {
    const { revision } = await store().list(configMapKind);
    const early = collect(store(), configMapKind, revision, "a");
    for (const name of ["one", "two", "three"]) await store().create(configMapKind, map(name));
    await early.until(3);
    const late = collect(store(), configMapKind, early.events[0]?.revision ?? "", "a");
    expect(await late.until(2)).toEqual(["added a/two", "added a/three"]);
    await early.stop();
    await late.stop();
  });

  it("tells what another view of the same objects writes, mixed with its own, in order", async () => {
    const [here, there] = fixture().stores;
    const { revision } = await here.list(configMapKind);
    const seen = collect(here, configMapKind, revision, "a");
    const names: string[] = [];
    for (let n = 0; n < 20; n++) {
      await (n % 3 === 0 ? here : there).create(configMapKind, map(`m${n}`));
      names.push(`added a/m${n}`);
    }
    expect(await seen.until(20)).toEqual(names);
    await there.create(configMapKind, map("last"));
    expect((await seen.until(21)).at(-1)).toBe("added a/last");
    await seen.stop();
  });

  it("says so when the history is gone", async () => {
    const first = await store().create(configMapKind, map("one"));
    let object = first;
    for (let n = 0; n < 2 * fixture().history + 300; n++)
      object = await store().update(configMapKind, { ...object, data: { n: String(n) } });
    await fixture().forget?.();
    const seen = collect(store(), configMapKind, first.metadata.resourceVersion);
    await expect(seen.done).rejects.toMatchObject({ code: "store.gone" });
    const future = collect(store(), configMapKind, String(Number(object.metadata.resourceVersion) + 1000));
    await expect(future.done).rejects.toMatchObject({ code: "store.gone" });
    const near = collect(store(), configMapKind, object.metadata.resourceVersion, "a");
    await store().delete(configMapKind, "one", "a");
    expect(await near.until(1)).toEqual(["deleted a/one"]);
    await near.stop();
  });

  it("ends quietly when aborted or closed", async () => {
    const { revision } = await store().list(configMapKind);
    const aborted = collect(store(), configMapKind, revision);
    await aborted.stop();
    const closed = collect(store(), configMapKind, revision);
    await store().create(configMapKind, map("one"));
    await closed.until(1);
    await store().close();
    await closed.done;
    await expect(store().get(configMapKind, "one", "a")).rejects.toMatchObject({ code: "store.closed" });
  });
}

/** Collects a watch's events as `type namespace/name`. */
function collect<T extends KubeObject>(store: Store, kind: Kind<T>, from: string, namespace?: string) {
  const abort = new AbortController();
  const events: WatchEvent<T>[] = [];
  const texts: string[] = [];
  let wake = () => {};
  const done = (async () => {
    const options = { from, signal: abort.signal, ...(namespace === undefined ? {} : { namespace }) };
    for await (const event of store.watch(kind, options)) {
      if (event.type === "bookmark") continue;
      events.push(event);
      texts.push(`${event.type} ${event.object.metadata.namespace ?? ""}/${event.object.metadata.name}`);
      wake();
    }
  })();
  done.catch(() => wake());
  return {
    events,
    done,
    async until(count: number): Promise<string[]> {
      while (texts.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return texts;
    },
    async stop(): Promise<void> {
      abort.abort();
      await done;
    },
  };
}

function namespace(name: string): Draft<Namespace> {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

function deployment(name: string): Draft<Deployment> {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "a" },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "i" }] } },
    },
  };
}
