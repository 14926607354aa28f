import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDisk, Fates } from "../harness.suite.ts";
import { fileDisk } from "./disk.ts";
import { Journal } from "./journal.ts";
import { decodeJournal, encodeLine, type JournalRecord } from "./records.ts";

const free = (seq: number): JournalRecord => ({ op: "free", seq, at: seq });

describe("a journal's lines", () => {
  it("come back as they were written", () => {
    const text = encodeLine([free(1), free(2)]) + encodeLine([free(3)]);
    expect(decodeJournal(text)).toEqual({ records: [free(1), free(2), free(3)], torn: false, bad: [] });
  });

  it("count all or not at all, wherever the last one is torn", () => {
    const whole = encodeLine([free(1)]);
    const last = encodeLine([free(2), free(3)]);
    for (let cut = 1; cut < last.length - 1; cut++)
      expect(decodeJournal(whole + last.slice(0, cut))).toEqual({ records: [free(1)], torn: true, bad: [2] });
    // Nothing is missing but the newline.
    expect(decodeJournal(whole + last.trimEnd())).toMatchObject({
      records: [free(1), free(2), free(3)],
      bad: [],
    });
  });

  it("tell damage in the middle from a torn end", () => {
    const lines = [1, 2, 3].map((seq) => encodeLine([free(seq)]));
    const bad = lines[1]?.replace("free", "fred") ?? "";
    expect(decodeJournal(`${lines[0]}${bad}${lines[2]}`)).toEqual({
      records: [free(1), free(3)],
      torn: false,
      bad: [2],
    });
    expect(decodeJournal(`${lines[0]}${bad}`)).toEqual({ records: [free(1)], torn: true, bad: [2] });
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["a number", 7],
    ["a record that is no list", free(1)],
    ["null in the list", [null]],
    ["an operation that nobody knows", [{ op: "toString" }]],
    ["a field that is missing", [{ op: "free", seq: 1 }]],
    ["a field of another kind", [{ op: "free", seq: "1", at: 1 }]],
    ["no address", [{ op: "lend", address: "10.1.0.999", node: "a", seq: 1 }]],
    ["a block of millions", [{ op: "block", cidr: "10.0.0.0/8", pool: "p", uid: "u" }]],
    ["a block that is no range", [{ op: "block", cidr: "10.1.0.1/28", pool: "p", uid: "u" }]],
    ["an owner without a container", [{ op: "hold", seq: 1, at: 1, owner: { ifName: "" }, addresses: [] }]],
  ])("are looked at although their checksum fits: %s", (_, value) => {
    const text = encodeLine([free(1)]) + encodeLine(value as JournalRecord[]) + encodeLine([free(3)]);
    expect(decodeJournal(text)).toMatchObject({ records: [free(1), free(3)], bad: [2] });
  });
});

describe("Journal", () => {
  const open = (disk: FakeDisk, state: () => JournalRecord[], fates = new Fates(), compactAfter = 1000) =>
    new Journal(disk.open(fates), state, compactAfter);

  it("shares one write and one sync among those who come together", async () => {
    const calls: string[] = [];
    const fates = new Fates((what) => {
      calls.push(what);
      return "ok";
    });
    const journal = open(new FakeDisk(), () => [], fates);
    await journal.flush();
    calls.length = 0;
    await Promise.all([1, 2, 3].map((seq) => journal.append([free(seq)], { sync: true })));
    expect(calls).toEqual(["disk.append", "disk.sync"]);
  });

  it("writes the whole state after a failed write, and never behind a torn line", async () => {
    let fate: "ok" | "fail-before" = "ok";
    const disk = new FakeDisk();
    const state = [free(1)];
    const journal = open(disk, () => state, new Fates(() => fate));
    await journal.flush();
    fate = "fail-before";
    await expect(journal.append([free(2)], { sync: true })).rejects.toMatchObject({ code: "ipam.journal" });
    disk.text += "half a li";
    fate = "ok";
    state.push(free(3));
    await journal.append([free(3)], { sync: true });
    expect(decodeJournal(disk.text)).toEqual({ records: [free(1), free(3)], torn: false, bad: [] });
  });

  it("is compacted when it has grown", async () => {
    const disk = new FakeDisk();
    const journal = open(disk, () => [free(99)], new Fates(), 10);
    const lengths: number[] = [];
    for (let seq = 0; seq < 30; seq++) {
      await journal.append([free(seq)], { sync: false });
      lengths.push(decodeJournal(disk.text).records.length);
    }
    expect(Math.max(...lengths)).toBe(13);
    expect(lengths.filter((length) => length === 1)).toHaveLength(3);
  });
});

describe("a journal's file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-journal-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("appends, replaces in one step, and leaves nothing else behind", async () => {
    const disk = fileDisk(path.join(folder, "ipam"));
    expect(await disk.read()).toBe("");
    await disk.replace("a\n");
    await disk.append("b\n");
    await disk.sync();
    expect(await disk.read()).toBe("a\nb\n");
    await disk.replace("c\n");
    await disk.append("d\n");
    await disk.close();
    expect(readFileSync(disk.path, "utf8")).toBe("c\nd\n");
    expect(readdirSync(path.join(folder, "ipam"))).toEqual(["ipam.journal"]);
  });

  it("says which file cannot be used", async () => {
    writeFileSync(path.join(folder, "file"), "");
    const journal = new Journal(fileDisk(path.join(folder, "file")), () => []);
    await expect(journal.flush()).rejects.toMatchObject({ code: "ipam.journal" });
  });
});
