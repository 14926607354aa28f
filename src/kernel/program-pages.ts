// Gives back the pages of the program itself that only its start needed. Half of what a daemon that sleeps holds is the
// text and the constants of Node.js (some 50 MiB, mapped from its file): most of it was touched once.
import { readFileSync, realpathSync } from "node:fs";
import { libc } from "./ffi/libc.ts";

/** A part of the address space, in bytes. */
export interface PageRange {
  readonly from: number;
  readonly length: number;
}

/** madvise(2) */
const MADV_RANDOM = 1;
const MADV_DONTNEED = 4;
/** Of x86-64, in bytes. */
const PAGE = 4096;

/**
 * Returns where a program's file is mapped unchanged, of a text as in /proc/self/smaps (proc(5)): private, not writable,
 * and without one page that was written to (as the linker does with its tables): those pages are nowhere else.
 */
export function unchangedPages(smaps: string, program: string): PageRange[] {
  const found: PageRange[] = [];
  let range: PageRange | undefined;
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ +(.+)$/.exec(line);
    if (head ?? /^[0-9a-f]+-/.test(line)) range = head ? rangeOf(head, program) : undefined;
    // It stands below `Rss`, and a mapping without it is from a kernel that does not tell.
    if (range && /^Anonymous: +0 kB$/.test(line)) found.push(range);
  }
  return found;
}

function rangeOf(
  [, first = "", last = "", rights, file]: RegExpExecArray,
  program: string,
): PageRange | undefined {
  if (file !== program || (rights !== "r-xp" && rights !== "r--p")) return undefined;
  const from = Number.parseInt(first, 16);
  return { from, length: Number.parseInt(last, 16) - from };
}

/** Returns what this process holds that no file is behind: statm's resident pages without shared ones (proc(5)). */
export function heldBytes(): number {
  const [, resident = 0, shared = 0] = readFileSync("/proc/self/statm", "latin1").split(" ").map(Number);
  return (resident - shared) * PAGE;
}

/** Gives what malloc keeps unused back to the kernel: malloc_trim(3), which musl's does not have. */
export function giveBackFreeMemory(): void {
  libc().mallocTrim(0);
}

/**
 * Takes those pages out of this process: the kernel brings back, one by one, what is touched again. Only the file of the
 * running program is looked at, which nobody maps anew while it runs.
 * @returns how many bytes of address space were given back; 0 where the kernel does not tell enough
 */
export function giveBackProgramPages(): number {
  const { madvise } = libc();
  const ranges = unchangedPages(readFileSync("/proc/self/smaps", "utf8"), realpathSync(process.execPath));
  forgetLastMatch();
  return ranges
    .filter(({ from, length }) => {
      // Else the kernel maps sixteen pages for every one that is touched.
      madvise(from, length, MADV_RANDOM);
      return madvise(from, length, MADV_DONTNEED) === 0;
    })
    .reduce((sum, { length }) => sum + length, 0);
}

/**
 * V8 keeps the text that a pattern was found in last, and all of the text that this is a part of, until a pattern is found in
 * another one (what `RegExp.input` tells): in a daemon that sleeps the 200 KiB of smaps would stay.
 */
function forgetLastMatch(): void {
  /(?:)/.test("");
}
