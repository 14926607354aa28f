import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
import { LargeObjects } from "./large-objects.ts";
import { openSqliteStore } from "./store.ts";

const text = (letter: string) => letter.repeat(40_000);

it("finds what has the very text and checksum, of the eight that were used last", () => {
  const kept = new LargeObjects();
  const objects = Array.from({ length: 9 }, (_, at) => ({ at }));
  for (const [at, object] of objects.slice(0, 8).entries()) kept.keep(`k${at}`, text("a"), at, object);
  expect(kept.find("k0", text("a"), 0)).toBe(objects[0]);
  kept.keep("k8", text("a"), 8, objects[8]!);
  expect(kept.find("k1", text("a"), 1)).toBeUndefined();
  expect(kept.find("k0", text("a"), 0)).toBe(objects[0]);
  expect(kept.find("k8", text("b"), 8)).toBeUndefined();
  expect(kept.find("k8", text("a"), 7)).toBeUndefined();
  kept.keep("k8", "small", 1, {});
  expect(kept.find("k8", text("a"), 8)).toBeUndefined();
});

it("what another process has written is read, and what is the same is the same object", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-large-"));
  const place = path.join(folder, "store.db");
  const [mine, theirs] = [openSqliteStore(place), openSqliteStore(place)];
  try {
    const metadata = { name: "large", namespace: "default" };
    const data = { big: text("a"), small: "1" };
    const written = await mine.create(configMapKind, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    expect(await mine.get(configMapKind, "large", "default")).toBe(written);
    expect((await mine.list(configMapKind)).items).toEqual([written]);
    await theirs.update(configMapKind, { ...written, data: { ...data, small: "2" } });
    const found = await mine.get(configMapKind, "large", "default");
    expect(found?.data).toEqual({ ...data, small: "2" });
    expect(await mine.get(configMapKind, "large", "default")).toBe(found);
    await theirs.delete(configMapKind, "large", "default");
    expect(await mine.get(configMapKind, "large", "default")).toBeUndefined();
  } finally {
    await mine.close();
    await theirs.close();
    rmSync(folder, { recursive: true });
  }
});
