import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type ConfigMap, configMapKind } from "../api/kinds/core.ts";
import { TrunklineError } from "../base/errors.ts";
import { Informer, type ObjectChange } from "./informer.ts";
import { memoryStore } from "./memory.ts";
import { map } from "./store.suite.ts";
import type { Store } from "./store.ts";

const text = (change: ObjectChange<ConfigMap>) => `${change.type} ${change.object.metadata.name}`;

describe("informer", () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  function follow(store: Store) {
    const informer = new Informer(store, configMapKind, { backoffMs: [1, 2] });
    const told: string[] = [];
    let wake = () => {};
    informer.on((change) => {
      told.push(text(change));
      wake();
    });
    closers.push(
      () => store.close(),
      () => informer.stop(),
    );
    informer.start();
    const until = async (count: number) => {
      while (told.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return told;
    };
    return { informer, told, until };
  }

  it("ends while a server that hangs is asked for a list", async () => {
    const store = memoryStore();
    const list = () => new Promise<never>(() => {});
    const { informer } = follow({ list, close: () => store.close() } as Partial<Store> as Store);
    await nextTurn();
    await informer.stop();
  });

  it("tells what is there, then what changes, and keeps a copy", async () => {
    const store = memoryStore();
    const one = await store.create(configMapKind, map("one"));
    const { informer, told, until } = follow(store);
    await informer.synced;
    expect(told).toEqual(["added one"]);
    const changed = await store.update(configMapKind, { ...one, data: { k: "v" } });
    await store.create(configMapKind, map("two"));
    await until(3);
    expect(informer.cache.get("a/one")).toEqual(changed);
    await store.delete(configMapKind, "one", "a");
    expect(await until(4)).toEqual(["added one", "modified one", "added two", "deleted one"]);
    expect([...informer.cache.keys()]).toEqual(["a/two"]);
  });

  it("holds what was known of old until the first listing, and then tells what differs from that", async () => {
    const store = memoryStore();
    const stays = await store.create(configMapKind, map("stays"));
    const changes = await store.create(configMapKind, map("changes"));
    const goes = await store.create(configMapKind, map("goes"));
    const informer = new Informer(store, configMapKind);
    informer.preload([stays, changes, goes]);
    expect([...informer.cache.keys()]).toEqual(["a/stays", "a/changes", "a/goes"]);
    await store.update(configMapKind, { ...changes, data: { k: "v" } });
    await store.delete(configMapKind, "goes", "a");
    const told: string[] = [];
    const late = informer.on((change) => told.push(text(change)));
    told.length = 0;
    closers.push(
      () => store.close(),
      () => informer.stop(),
    );
    informer.start();
    await informer.synced;
    expect(told).toEqual(["deleted goes", "modified changes"]);
    informer.preload([goes]);
    expect([...informer.cache.keys()].toSorted()).toEqual(["a/changes", "a/stays"]);
    late();
  });

  it("tells a late listener what the copy holds", async () => {
    const store = memoryStore();
    await store.create(configMapKind, map("one"));
    const { informer } = follow(store);
    await informer.synced;
    const late: string[] = [];
    informer.on((change) => late.push(text(change)))();
    expect(late).toEqual(["added one"]);
  });

  it("lists again after failures and lost history, and tells only the difference", async () => {
    const store = memoryStore();
    for (const name of ["stays", "goes", "changes", "reborn"]) await store.create(configMapKind, map(name));
    const watch = store.watch.bind(store);
    let fail: (error: Error) => void = () => {};
    let failures = 0;
    // A driver whose watch breaks on command and is blind meanwhile.
    const broken: Store = Object.assign(Object.create(store) as Store, {
      get: store.get.bind(store),
      close: () => store.close(),
      list: (async (kind, namespace) => {
        if (failures-- > 0) throw new TypeError("fetch failed");
        return store.list(kind, namespace);
      }) satisfies Store["list"],
      watch: (kind: typeof configMapKind, options: Parameters<Store["watch"]>[1]) => {
        const cut = new AbortController();
        const broke = Promise.withResolvers<never>();
        broke.promise.catch(() => {});
        fail = (error) => {
          cut.abort();
          broke.reject(error);
        };
        options.signal.addEventListener("abort", () => cut.abort());
        return (async function* () {
          yield* watch(kind, { ...options, signal: cut.signal });
          if (!options.signal.aborted) await broke.promise;
        })();
      },
    });
    const { informer, told, until } = follow(broken);
    await until(4);
    await new Promise((resolve) => setImmediate(resolve));
    told.length = 0;
    failures = 3;
    fail(new TrunklineError("store.gone", { from: "1" }));
    await store.delete(configMapKind, "goes", "a");
    await store.delete(configMapKind, "reborn", "a");
    await store.create(configMapKind, map("reborn"));
    const changes = await store.get(configMapKind, "changes", "a");
    if (changes) await store.update(configMapKind, { ...changes, data: { k: "v" } });
    await until(4);
    expect(told.toSorted()).toEqual(["added reborn", "deleted goes", "deleted reborn", "modified changes"]);
    expect([...informer.cache.keys()].toSorted()).toEqual(["a/changes", "a/reborn", "a/stays"]);
  });

  it("lists at once where history is gone, but not over and over where the next one is gone at once, too", async () => {
    const store = memoryStore();
    let lists = 0;
    const forgetful: Store = {
      ...methodsOf(store),
      list: (kind, namespace) => {
        lists++;
        return store.list(kind, namespace);
      },
      watch: () => {
        throw new TrunklineError("store.gone", { from: "1" });
      },
    };
    const informer = new Informer(forgetful, configMapKind, { backoffMs: [60_000, 60_000] });
    closers.push(
      () => store.close(),
      () => informer.stop(),
    );
    informer.start();
    await informer.synced;
    for (let turns = 0; turns < 20; turns++) await nextTurn();
    expect(lists).toBe(2);
  });

  it("lists with ever longer pauses where every watch is refused", async () => {
    const store = memoryStore();
    const lists: number[] = [];
    const halfOpen: Store = {
      ...methodsOf(store),
      list: (kind, namespace) => {
        lists.push(performance.now());
        return store.list(kind, namespace);
      },
      watch: () => {
        throw new TrunklineError("store.refused", { place: "test", why: "no right to watch" });
      },
    };
    const informer = new Informer(halfOpen, configMapKind, { backoffMs: [10, 60_000] });
    closers.push(
      () => store.close(),
      () => informer.stop(),
    );
    informer.start();
    await sleep(400);
    expect(lists.length).toBeGreaterThan(2);
    expect(lists.length).toBeLessThan(10);
  });

  it("survives a handler that throws", async () => {
    const store = memoryStore();
    const { informer, until } = follow(store);
    informer.on(() => {
      throw new RangeError("a mistake in a handler");
    });
    await store.create(configMapKind, map("one"));
    await store.create(configMapKind, map("two"));
    expect(await until(2)).toEqual(["added one", "added two"]);
  });
});

it.each(["store.unserved", "store.refused"] as const)(
  "goes on without an optional kind (%s)",
  async (code) => {
    const store = memoryStore();
    let asked = 0;
    const without: Store = {
      ...methodsOf(store),
      async list() {
        asked++;
        throw code === "store.unserved"
          ? new TrunklineError(code, { kind: "ConfigMap", apiVersion: "v1" })
          : new TrunklineError(code, { place: "there", why: "forbidden" });
      },
    };
    const informer = new Informer(without, configMapKind, { optional: true, backoffMs: [1, 1] }).start();
    await informer.synced;
    expect(informer.cache.size).toBe(0);
    // Not at once again: what is missing is brought by people.
    expect(asked).toBe(1);
    await informer.stop();
  },
);

function methodsOf(store: Store): Store {
  return {
    get: store.get.bind(store),
    list: store.list.bind(store),
    create: store.create.bind(store),
    update: store.update.bind(store),
    delete: store.delete.bind(store),
    watch: store.watch.bind(store),
    close: store.close.bind(store),
  };
}
