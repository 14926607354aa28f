// Whether a file can be started.
import { accessSync, constants } from "node:fs";

/** Returns whether this process may start a file; no where there is none. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // accessSync says no by throwing.
    return false;
  }
}
