import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JournalFile } from "./file.ts";
import { contentOf, decodeLines, encodeLine, parseJson } from "./lines.ts";

let folder: string;
let file: JournalFile;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-journal-file-"));
  file = new JournalFile(path.join(folder, "below", "a.journal"));
});
afterEach(() => {
  file.close();
  rmSync(folder, { recursive: true });
});
const names = () => readdirSync(path.join(folder, "below")).toSorted();

describe("JournalFile", () => {
  it("appends, replaces in one step, and leaves nothing else behind", async () => {
    expect(file.read()).toBe("");
    await file.replace("a\n", { durable: true });
    file.append("b\n");
    await file.sync();
    file.replaceNow("c\n");
    file.append("d\n");
    expect(file.read()).toBe("c\nd\n");
    expect(names()).toEqual(["a.journal"]);
  });

  it("is replaced piece by piece, while the old file goes on", async () => {
    file.replaceNow("old\n");
    async function* pieces() {
      yield "a\n";
      file.append("late\n");
      expect(file.read()).toBe("old\nlate\n");
      yield "b\n";
    }
    await file.replaceFrom(pieces(), { durable: true, last: () => "late\n" });
    file.append("c\n");
    expect(file.read()).toBe("a\nb\nlate\nc\n");
    async function* broken() {
      yield "x\n";
      throw new Error("no more");
    }
    await expect(file.replaceFrom(broken(), { durable: true })).rejects.toThrow("no more");
    expect(file.read()).toBe("a\nb\nlate\nc\n");
    expect(names()).toEqual(["a.journal"]);
  });

  it("fails where the disk is full, and leaves no half of a new file on it", async () => {
    mkdirSync(path.join(folder, "below"));
    symlinkSync("/dev/full", file.path);
    expect(() => file.append("a\n")).toThrow("ENOSPC");
    symlinkSync("/dev/full", `${file.path}.new`);
    expect(() => file.replaceNow("a\n")).toThrow("ENOSPC");
    await expect(file.replace("a\n", { durable: true })).resolves.toBeUndefined();
    expect(file.read()).toBe("a\n");
    expect(names()).toEqual(["a.journal"]);
  });

  it("keeps the old file where a new one cannot be written", () => {
    file.replaceNow("old\n");
    mkdirSync(`${file.path}.new`);
    expect(() => file.replaceNow("new\n")).toThrow();
    expect(file.read()).toBe("old\n");
    rmdirSync(`${file.path}.new`);
    file.append("more\n");
    expect(file.read()).toBe("old\nmore\n");
  });

  it("keeps copies of what is there, five at most, and none of what is not", () => {
    mkdirSync(path.join(folder, "below"));
    expect(file.setAside()).toBeUndefined();
    for (let n = 1; n <= 11; n++) {
      writeFileSync(file.path, `${n}`);
      expect(file.setAside()).toBe(`${file.path}.damaged-${n}`);
      file.replaceNow("whole\n");
    }
    expect(names()).toEqual(
      ["a.journal", ...[10, 11, 7, 8, 9].map((n) => `a.journal.damaged-${n}`)].toSorted(),
    );
    expect(readFileSync(`${file.path}.damaged-11`, "utf8")).toBe("11");
  });
});

describe("a journal's lines", () => {
  const numberIn = (line: string) => {
    const value = parseJson(contentOf(line) ?? "");
    return typeof value === "number" ? value : undefined;
  };

  it("never say anything else than was written, whatever bytes are flipped, and never hide that", () => {
    const flip = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.array(flip, { maxLength: 4 }),
        (numbers, flips) => {
          const bytes = Buffer.from(numbers.map((number) => encodeLine(number)).join(""));
          const before = Buffer.from(bytes);
          for (const { at, to } of flips) if (bytes.length > 0) bytes[at % bytes.length] = to;
          const { values, bad } = decodeLines(bytes.toString("utf8"), numberIn);
          // A number that is left is one of those written, in their order.
          let from = 0;
          for (const value of values) {
            const found = numbers.indexOf(value, from);
            expect(found).toBeGreaterThanOrEqual(from);
            from = found + 1;
          }
          // The last newline alone may go unnoticed.
          const untouched = bytes.subarray(0, -1).equals(before.subarray(0, -1));
          if (values.length < numbers.length || !untouched) expect(bad).not.toEqual([]);
          else expect(values).toEqual(numbers);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("are whole or not there, wherever the file ends", () => {
    const text = [1, 22, 333].map((number) => encodeLine(number)).join("");
    for (let end = 0; end <= text.length; end++) {
      const { values, torn } = decodeLines(text.slice(0, end), numberIn);
      expect([1, 22, 333].slice(0, values.length)).toEqual(values);
      const whole = values.map((value) => encodeLine(value)).join("");
      expect(torn).toBe(end > whole.length || (end < whole.length && end !== whole.length - 1));
    }
  });
});
