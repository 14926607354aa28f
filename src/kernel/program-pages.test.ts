import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { giveBackProgramPages, unchangedPages } from "./program-pages.ts";

const mapping = (range: string, rights: string, file: string, anonymousKib: number) =>
  `${range} ${rights} 00001000 fe:00 1234                       ${file}\nSize:  8 kB\nRss:   4 kB\nAnonymous:   ${anonymousKib} kB\nVmFlags: rd\n`;

it("finds the text and the constants of the program, and nothing that holds what is nowhere else", () => {
  const smaps = [
    mapping("00400000-00500000", "r--p", "/bin/node", 0),
    mapping("00500000-00900000", "r-xp", "/bin/node", 0),
    // Tables that the linker wrote to, and then locked.
    mapping("00900000-00a00000", "r--p", "/bin/node", 8),
    mapping("00a00000-00b00000", "rw-p", "/bin/node", 0),
    mapping("7f0000000000-7f0000100000", "r-xp", "/lib/libc.so.6", 0),
    mapping("7f0000200000-7f0000300000", "r-xp", "/bin/node (deleted)", 0),
    "7f0000300000-7f0000400000 r--p 00000000 00:00 0 \nAnonymous:   0 kB\n",
  ].join("");
  expect(unchangedPages(smaps, "/bin/node")).toEqual([
    { from: 0x400000, length: 0x100000 },
    { from: 0x500000, length: 0x400000 },
  ]);
});

it("gives back nothing where the kernel does not tell what was written to", () => {
  expect(
    unchangedPages("00400000-00500000 r-xp 00000000 fe:00 1 /bin/node\nRss: 4 kB\n", "/bin/node"),
  ).toEqual([]);
});

it("gives back this very program's pages, which goes on as before", () => {
  const given = giveBackProgramPages();
  // What V8 still holds of the text that patterns were looked for in.
  expect(Reflect.get(RegExp, "input")).toBe("");
  expect(given).toBeGreaterThan(2 ** 20);
  expect(JSON.parse(JSON.stringify([...readFileSync("/proc/self/comm")]))).not.toEqual([]);
});
