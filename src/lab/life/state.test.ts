import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyProcess, type ProcessIdentity } from "../../kernel/process.ts";
import { findLab, type LabRecord, listLabs, readLab, writeLab } from "./state.ts";

let folder: string;
let before: string | undefined;
beforeEach(() => {
  before = process.env["TRUNKLINE_LABS"];
  folder = mkdtempSync(path.join(tmpdir(), "labs-"));
  process.env["TRUNKLINE_LABS"] = folder;
});
afterEach(() => {
  if (before === undefined) delete process.env["TRUNKLINE_LABS"];
  else process.env["TRUNKLINE_LABS"] = before;
  rmSync(folder, { recursive: true });
});

function record(name: string, owner: ProcessIdentity): LabRecord {
  return {
    name,
    process: owner,
    file: "lab.yaml",
    ready: true,
    rootless: false,
    separate: false,
    startedAt: "2026-01-01T00:00:00Z",
    members: [],
    namespaces: [],
    ground: { machines: [] },
  };
}
const alive = identifyProcess()!;
const reused = { ...alive, startTime: "1" };

describe("finding a lab", () => {
  it("takes the only one that runs", () => {
    writeLab(record("one", alive));
    writeLab(record("gone", reused));
    expect(findLab().record.name).toBe("one");
    expect(listLabs().map((lab) => [lab.record.name, lab.running])).toEqual([
      ["gone", false],
      ["one", true],
    ]);
  });

  it("asks which one when several run", () => {
    writeLab(record("one", alive));
    writeLab(record("two", alive));
    expect(() => findLab()).toThrow("one, two");
    expect(findLab("two").record.name).toBe("two");
  });

  it("tells a dead lab from one that never was", () => {
    writeLab(record("gone", reused));
    expect(() => findLab("gone")).toThrow("has died");
    expect(() => findLab("other")).toThrow("there is no lab 'other'");
    expect(() => findLab()).toThrow("no lab is running");
    expect(readLab("other")).toBeUndefined();
  });

  it("takes a process of an earlier boot for dead", () => {
    writeLab(record("old", { ...alive, bootId: "another boot" }));
    expect(readLab("old")?.running).toBe(false);
  });
});
