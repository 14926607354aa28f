import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
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
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-store-"));
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

  it("says which file cannot be opened", () => {
    const file = path.join(folder, "missing", "store.db");
    expect(() => openSqliteStore(file)).toThrow(expect.objectContaining({ code: "store.open" }));
  });
});
