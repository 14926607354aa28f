// What a process and the programs that it has run have taken of the processors.
import { readFileSync } from "node:fs";

/** Of `/proc/PID/stat`. */
const TICKS_PER_SECOND = 100;

/** Returns the processor time of a process so far, and of its children that have ended, in seconds. */
export function processorSeconds(pid: number): number {
  // The command's name, in brackets, may hold blanks.
  const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const fields = rest.split(" ").map(Number);
  const ticks = fields.slice(11, 15).reduce((sum, one) => sum + one, 0);
  return ticks / TICKS_PER_SECOND;
}
