// Journals on a disk that is really full: the kernel takes a part of a write, and tells nobody.
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JournalFile } from "../../src/base/journal/file.ts";
import { contentOf, decodeLines, encodeLine, parseJson } from "../../src/base/journal/lines.ts";
import { fileDisk } from "../../src/ipam/journal/disk.ts";
import { Journal } from "../../src/ipam/journal/journal.ts";
import { decodeJournal } from "../../src/ipam/journal/records.ts";
import { run } from "../../src/kernel/exec/index.ts";

let disk: string;
beforeEach(async () => {
  disk = mkdtempSync(path.join(tmpdir(), "trunkline-full-disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=32k", "tmpfs", disk]);
});
afterEach(async () => {
  await run("umount", [disk]);
  rmSync(disk, { recursive: true });
});

const ballast = () => path.join(disk, "ballast");
/** Takes all room but for so many bytes of a page that `file` has begun. */
function fill(): void {
  const { bfree, bsize } = statfsSync(disk);
  writeFileSync(ballast(), Buffer.alloc(Number(bfree) * Number(bsize)));
}
const textsOf = (file: string) => {
  const { values, bad } = decodeLines(readFileSync(file, "utf8"), (line) => parseJson(contentOf(line) ?? ""));
  return { count: values.length, bad };
};
/** Two lines fit into what is left of a page after so many lines of this length, and a part of a third. */
const line = encodeLine("x".repeat(300));

describe("a journal on a full disk", () => {
  it("really meets short writes", async () => {
    const file = new JournalFile(path.join(disk, "j"));
    file.replaceNow(line);
    fill();
    // Without the journal's care: what `cat` leaves behind is a torn line.
    const torn = await run(
      "sh",
      ["-c", 'printf %s "$1" >>"$2"', "sh", line.repeat(20), path.join(disk, "j")],
      {
        codes: "any",
      },
    );
    expect(torn.code).not.toBe(0);
    expect(textsOf(path.join(disk, "j")).bad).not.toEqual([]);
  });

  it("takes lines whole or not at all, and goes on when there is room", () => {
    const file = new JournalFile(path.join(disk, "j"));
    file.replaceNow(line);
    fill();
    let taken = 1;
    expect(() => {
      for (;;) {
        file.append(line);
        taken++;
      }
    }).toThrow("ENOSPC");
    expect(textsOf(file.path)).toEqual({ count: taken, bad: [] });
    expect(() => file.replaceNow(line.repeat(taken + 1))).toThrow("ENOSPC");
    expect(readdirSync(disk).toSorted()).toEqual(["ballast", "j"]);
    // A copy of a damaged file takes no room.
    expect(file.setAside()).toBe(`${file.path}.damaged-1`);
    truncateSync(ballast());
    file.append(line);
    expect(textsOf(file.path)).toEqual({ count: taken + 1, bad: [] });
    file.close();
  });

  it("of addresses says so, and writes all that it owes as soon as it can", async () => {
    const free = (seq: number) => ({ op: "free" as const, seq, at: seq });
    const owner = { containerId: "c".repeat(200), ifName: "eth0", pod: "a/b", uid: "u" };
    const hold = (seq: number) => ({ op: "hold" as const, seq, at: 1, owner, addresses: [] });
    const state = [hold(0)];
    const journal = new Journal(fileDisk(path.join(disk, "ipam")), () => state);
    await journal.flush();
    fill();
    const failing = async () => {
      for (let seq = 1; ; seq++) {
        state.push(hold(seq));
        await journal.append([hold(seq)], { sync: false });
      }
    };
    await expect(failing()).rejects.toMatchObject({ code: "ipam.journal" });
    expect(journal.fault?.message).toContain(path.join(disk, "ipam"));
    const whole = decodeJournal(readFileSync(journal.path, "utf8"));
    expect(whole).toMatchObject({ bad: [] });
    expect(whole.records).toHaveLength(state.length - 1);
    await expect(journal.append([free(1)], { sync: false })).rejects.toMatchObject({ code: "ipam.journal" });
    truncateSync(ballast());
    await journal.flush();
    expect(journal.fault).toBeUndefined();
    expect(decodeJournal(readFileSync(journal.path, "utf8")).records).toHaveLength(state.length);
    await journal.close();
  });
});
