// Which process is meant by a number: Linux uses process ids again, so a record of a process holds its start time too.
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot at which the process started, as /proc writes them. */
  readonly startTime: string;
  /** The boot that this start time belongs to. */
  readonly bootId: string;
}

/** Returns what tells process `pid` (default: this one) from a later one of the same number; undefined if it is gone. */
export function identifyProcess(pid: number = process.pid): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() };
}

/** Returns whether that very process still runs (a zombie does not). */
export function isRunning(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && startTimeOf(identity.pid) === identity.startTime;
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

// proc(5): the second field is the program's name in brackets and may hold anything, so count from the last bracket.
function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** Returns whether a system error says that the file or process is not there (any more). */
function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH";
}
