import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
import { isError } from "../../base/errors.ts";
import { map, storeSuite } from "../store.suite.ts";
import { openSqliteStore } from "./store.ts";

storeSuite("sqlite, two connections to one file", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-store-"));
  const file = path.join(folder, "store.db");
  const stores = [openSqliteStore(file, { history: 300 }), openSqliteStore(file, { history: 300 })] as const;
  return {
    stores,
    history: 300,
    async close() {
      for (const store of stores) await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe("sqlite store", () => {
  let folder: string;
  beforeEach(() => {
    // A disk in memory: hundreds of files are made here, and every commit waits for the disk.
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    folder = mkdtempSync(path.join(base, "trunkline-store-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("finds everything again after a restart, and goes on counting", async () => {
    const file = path.join(folder, "store.db");
    const first = openSqliteStore(file);
    const one = await first.create(configMapKind, map("one"));
    await first.delete(configMapKind, "one", "a");
    const { revision } = await first.list(configMapKind);
    await first.close();
    const second = openSqliteStore(file);
    expect(await second.get(configMapKind, "one", "a")).toBeUndefined();
    const again = await second.create(configMapKind, map("one"));
    expect(Number(again.metadata.resourceVersion)).toBeGreaterThan(Number(revision));
    expect(Number(revision)).toBeGreaterThan(Number(one.metadata.resourceVersion));
    await second.close();
  });

  it("has what an earlier layout had, and tells it on", async () => {
    const file = path.join(folder, "store.db");
    const before = new DatabaseSync(file);
    before.exec(`
      CREATE TABLE objects (kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (kind, namespace, name)) WITHOUT ROWID;
      CREATE TABLE changes (revision INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL,
        type TEXT NOT NULL, json TEXT NOT NULL);
      PRAGMA user_version = 1;`);
    const one = { ...map("one"), metadata: { ...map("one").metadata, uid: "u", resourceVersion: "7" } };
    const json = JSON.stringify(one);
    before.prepare("INSERT INTO objects VALUES ('v1/ConfigMap', 'a', 'one', ?)").run(json);
    before.prepare("INSERT INTO changes VALUES (7, 'v1/ConfigMap', 'a', 'added', ?)").run(json);
    before.close();
    const store = openSqliteStore(file);
    expect(await store.list(configMapKind)).toEqual({ items: [one], revision: "7" });
    expect((await store.create(configMapKind, map("two"))).metadata.resourceVersion).toBe("8");
    expect((await store.list(configMapKind)).items).toHaveLength(2);
    await store.close();
    const again = openSqliteStore(file);
    expect((await again.list(configMapKind)).items).toHaveLength(2);
    await again.close();
  });

  it("never tells anything else than was written, whatever bytes of its file are flipped", async () => {
    const file = path.join(folder, "store.db");
    const store = openSqliteStore(file);
    for (let n = 0; n < 40; n++)
      await store.create(configMapKind, map(`m${n}`, { n: `${n}` }, n % 2 === 0 ? "a" : "b"));
    for (let n = 0; n < 40; n += 7) await store.delete(configMapKind, `m${n}`, n % 2 === 0 ? "a" : "b");
    const truth = await store.list(configMapKind);
    const inA = await store.list(configMapKind, "a");
    await store.close();
    const whole = readFileSync(file);
    let damaged = 0;
    const look = async (spoiled: string): Promise<void> => {
      const opened = openSqliteStore(spoiled);
      try {
        expect(await opened.list(configMapKind)).toEqual(truth);
        expect(await opened.list(configMapKind, "a")).toEqual(inA);
        for (const item of truth.items.slice(0, 5))
          expect(await opened.get(configMapKind, item.metadata.name, item.metadata.namespace)).toEqual(item);
        const added = await opened.create(configMapKind, map("added"));
        expect(added.metadata.resourceVersion).toBe(String(Number(truth.revision) + 1));
      } finally {
        await opened.close();
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 3,
        }),
        async (flips) => {
          const bytes = Buffer.from(whole);
          for (const [at, by] of flips) bytes[at] = (bytes[at] ?? 0) ^ by;
          const spoiled = path.join(folder, "spoiled.db");
          for (const name of ["", "-wal", "-shm", "-bell"]) rmSync(`${spoiled}${name}`, { force: true });
          writeFileSync(spoiled, bytes);
          try {
            await look(spoiled);
          } catch (error) {
            if (!isError(error) || !error.code.startsWith("store.")) throw error;
            damaged++;
          }
        },
      ),
      { numRuns: Number(process.env["TRUNKLINE_PROPERTY_RUNS"] ?? 100) },
    );
    expect(damaged).toBeGreaterThan(5);
  });

  it("says which file cannot be opened", () => {
    const file = path.join(folder, "missing", "store.db");
    expect(() => openSqliteStore(file)).toThrow(expect.objectContaining({ code: "store.open" }));
  });
});
