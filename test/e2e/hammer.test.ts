// A share of `npm run test:faults` that is small enough for every run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { buildFaultyDisk } from "../faults/faulty-disk.ts";
import { Hammer } from "../faults/hammer.ts";

it("800 operations on allocators that are killed: no address twice, none lost", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-hammer-"));
  try {
    const report = await new Hammer(
      { operations: 800, seed, folder, nodes: 3 },
      await buildFaultyDisk(folder),
    ).run();
    const facts = `seed ${seed}`;
    expect({ facts, violations: report.violations, findings: report.findings }).toEqual({
      facts,
      violations: [],
      findings: [],
    });
    expect(report.drained).toBe(report.poolSize);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
