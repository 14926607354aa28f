// Which process is meant by a number: Linux uses process ids again, so a record of a process holds its start time too.
import { readdirSync, readFileSync, statSync } from "node:fs";

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

/** Returns the processes that were started with that environment variable; only those that this user may look into. */
export function processesWithEnvironment(name: string, value: string): ProcessIdentity[] {
  const wanted = `${name}=${value}`;
  return processesWhere((pid) => readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(wanted));
}

/** Returns the processes that are in one of these network namespaces (files below /run/netns). */
export function processesInNetns(paths: readonly string[]): ProcessIdentity[] {
  const wanted = new Set(paths.flatMap((path) => namespaceId(path) ?? []));
  if (wanted.size === 0) return [];
  return processesWhere((pid) => {
    const own = namespaceId(`/proc/${pid}/ns/net`);
    return own !== undefined && wanted.has(own);
  });
}

/** Sends a signal to a process, if it is still that one. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function processesWhere(matches: (pid: number) => boolean): ProcessIdentity[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && ifAllowed(() => matches(pid)) === true)
    .flatMap((pid) => identifyProcess(pid) ?? []);
}

function namespaceId(path: string): string | undefined {
  const found = ifAllowed(() => statSync(path));
  return found && `${found.dev}:${found.ino}`;
}

/** Other users' processes are none of our business, and processes end while one looks at them. */
function ifAllowed<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isGone(error) || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}
