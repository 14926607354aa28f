// Turns an errno into the error that callers tell apart.
import { TrunklineError } from "../../base/errors.ts";
import { Errno, errnoName, libc } from "./libc.ts";

const missing = new Set<number>([Errno.ENODEV, Errno.ENOENT, Errno.ESRCH, Errno.ENXIO, Errno.EADDRNOTAVAIL]);

/** Returns the error for an errno; `text` is the kernel's own explanation, if it gave one. */
export function refusal(attempt: string, errno: number, text?: string): TrunklineError {
  const facts = { attempt, errno: errnoName(errno), text };
  if (errno === Errno.EEXIST) return new TrunklineError("kernel.exists", facts);
  if (errno === Errno.EPERM || errno === Errno.EACCES) return new TrunklineError("kernel.permission", facts);
  if (missing.has(errno)) return new TrunklineError("kernel.missing", facts);
  return new TrunklineError("kernel.refused", facts);
}

/** Returns the error for what a file operation of Node.js threw; errors without an errno are returned as they are. */
export function fileRefusal(attempt: string, error: unknown): unknown {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? error : refusal(attempt, Math.abs(errno));
}

/** Returns a system call's result. @throws the error for errno where it is negative */
export function checked(result: number, attempt: () => string): number {
  if (result < 0) throw refusal(attempt(), libc().errno());
  return result;
}
