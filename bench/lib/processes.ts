// Processes that a bench has started: their end, and what they have taken of the machine (proc(5)).
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

/** Of `/proc/PID/stat`. */
const TICKS_PER_SECOND = 100;

/** Ends a process and waits for that: it may still write into its folder. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await end;
}

/** Returns the processor time, of user and system, of a process so far, in seconds. */
export function processorSeconds(pid: number): number {
  return secondsOf(pid, 2);
}

/** Returns the same with that of its children that have ended. */
export function processorSecondsWithChildren(pid: number): number {
  return secondsOf(pid, 4);
}

/** Returns a process's memory in MiB: what is resident now, or the most that ever was. */
export function memoryMib(pid: number, which: "now" | "most" = "now"): number {
  const line = which === "now" ? /^VmRSS:\s+(\d+) kB$/m : /^VmHWM:\s+(\d+) kB$/m;
  return Number(line.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Adds up so many of the fields from `utime` on. */
function secondsOf(pid: number, count: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The command's name, in brackets, may hold blanks and brackets.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return fields.slice(11, 11 + count).reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}
