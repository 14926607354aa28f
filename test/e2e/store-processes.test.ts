// One store's file, several processes: nothing is lost, and a kill at any instruction harms nothing.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configMapKind } from "../../src/api/kinds/core.ts";
import { Informer } from "../../src/store/informer.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";

const program = path.resolve("test/e2e/store-processes.ts");

describe("one SQLite file, several processes", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-store-"));
    file = path.join(folder, "store.db");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function start(...words: string[]): ChildProcess {
    const all = ["--disable-warning=ExperimentalWarning", program, file, ...words];
    return spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] });
  }

  it("loses no update, and every process is told of all of them", async () => {
    const store = openSqliteStore(file);
    const metadata = { name: "counter", namespace: "a" };
    await store.create(configMapKind, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { n: "0" } });
    const informer = new Informer(store, configMapKind);
    const told: number[] = [];
    const all = new Promise<void>((resolve) =>
      informer.on(({ object }) => {
        told.push(Number(object.data?.["n"]));
        if (object.data?.["n"] === "200") resolve();
      }),
    );
    informer.start();
    const children = [start("count", "100"), start("count", "100")];
    const codes = await Promise.all(children.map(async (child) => (await once(child, "close"))[0] as number));
    expect(codes).toEqual([0, 0]);
    await all;
    expect(told).toEqual(Array.from({ length: 201 }, (_, n) => n));
    await informer.stop();
    await store.close();
  });

  it("is whole after a writer was killed in the middle", async () => {
    for (let round = 0; round < 5; round++) {
      const child = start("flood");
      await once(child.stdout!, "data");
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      child.kill("SIGKILL");
      await once(child, "close");
      const db = new DatabaseSync(file);
      expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      // The last change of every object that exists is what is stored, and no other object exists.
      const last = db.prepare(
        "SELECT json, type FROM changes WHERE revision IN (SELECT max(revision) FROM changes GROUP BY json ->> '$.metadata.name')",
      );
      const expected = last.all().filter((row) => row["type"] !== "deleted");
      const stored = db.prepare("SELECT json FROM objects").all();
      const texts = (rows: readonly Record<string, unknown>[]) =>
        rows.map((row) => String(row["json"])).toSorted((a, b) => (a < b ? -1 : 1));
      expect(texts(stored)).toEqual(texts(expected));
      db.close();
      const store = openSqliteStore(file);
      await store.create(configMapKind, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: `after${round}`, namespace: "a" },
      });
      await store.close();
    }
  });
});
