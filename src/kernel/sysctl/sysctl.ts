// Kernel settings below /proc/sys. What stands in /proc/sys/net belongs to the namespace of the thread that opens the
// file, so every access happens inside the namespace; nothing is kept open or cached.
import { readFileSync, writeFileSync } from "node:fs";
import { TrunklineError } from "../../base/errors.ts";
import type { Sysctl } from "../kernel.ts";

export class LinuxSysctl implements Sysctl {
  readonly #inside: <T>(body: () => T, attempt: () => string) => T;

  /** `inside` runs a function in the namespace and refuses when the handle is closed. */
  constructor(inside: <T>(body: () => T, attempt: () => string) => T) {
    this.#inside = inside;
  }

  get(key: string): string {
    const file = fileOf(key);
    return this.#inside(
      () => read(key, file),
      () => `read sysctl ${key}`,
    );
  }

  set(key: string, value: string | number): void {
    const file = fileOf(key);
    const text = String(value);
    this.#inside(
      () => {
        if (read(key, file) === text) return;
        try {
          writeFileSync(file, text);
        } catch (error) {
          throw failure(key, text, error);
        }
      },
      () => `set sysctl ${key}`,
    );
  }
}

function read(key: string, file: string): string {
  try {
    // Several numbers are parted by tabs.
    return readFileSync(file, "latin1").trim().replaceAll("\t", " ");
  } catch (error) {
    throw failure(key, undefined, error);
  }
}

function failure(key: string, value: string | undefined, error: unknown): TrunklineError {
  const errno = (error as NodeJS.ErrnoException).code ?? "unknown";
  return new TrunklineError("kernel.sysctl", { key, value, errno }, { cause: error });
}

/** Keys come from link names too: a part must not lead out of the folder. */
export function fileOf(key: string): string {
  const parts = key.split("/");
  const good = parts.every((part) => /^[^\s/\0]+$/.test(part) && part !== "." && part !== "..");
  if (!good) {
    const why = "parts separated by '/', without '..' and blanks";
    throw new TrunklineError("kernel.name", { what: "sysctl", name: key, why });
  }
  return `/proc/sys/${key}`;
}
