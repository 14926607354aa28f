import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { buildFaultyDisk } from "./faulty-disk.ts";
import { Hammer } from "./hammer.ts";

it("20,000 operations: no address twice, none lost", async () => {
  const seed = Number(process.env["TRUNKLINE_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
  const operations = Number(process.env["TRUNKLINE_OPERATIONS"] ?? 20_000);
  console.log(`hammer: TRUNKLINE_SEED=${seed}, ${operations} operations`);
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(path.join(base, "trunkline-hammer-"));
  try {
    const report = await new Hammer({ operations, seed, folder }, await buildFaultyDisk(folder)).run();
    console.log(report.counts);
    expect(report.violations).toEqual([]);
    // It was no hammer that hits nothing: it goes on until so many are answered.
    expect(report.counts["additions"]).toBeGreaterThanOrEqual(operations / 5);
    expect(report.findings).toEqual([]);
    expect(report.drained).toBe(report.poolSize);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
