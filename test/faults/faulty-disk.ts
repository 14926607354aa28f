// The disk that fails (faulty-disk.c), as the hammer uses it: one for each node.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../../src/kernel/exec/index.ts";

export const moods = ["full", "broken", "read-only"] as const;
export type Mood = (typeof moods)[number];

/** Files that it is about: both journals (and what is written beside them), and the store. */
const files = ["/ipam.journal", "/endpoints.journal", "/store.db"];

/**
 * Compiles the library into a folder; returns its path.
 * @throws `kernel.no-program`, `kernel.failed` where there is no C compiler (Debian: gcc libc6-dev, which set-up installs)
 */
export async function buildFaultyDisk(folder: string): Promise<string> {
  const library = path.join(folder, "faulty-disk.so");
  const source = path.join(import.meta.dirname, "faulty-disk.c");
  await run("cc", ["-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
  return library;
}

export class FaultyDisk {
  readonly #library: string;
  readonly #mood: string;

  /** `name` tells this disk from others in the folder. */
  constructor(library: string, folder: string, name: string) {
    this.#library = library;
    this.#mood = path.join(folder, `${name}.mood`);
    this.mend();
  }

  /** What a process must have in its environment to have this disk. */
  get env(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, FAULTY_FILES: files.join(":"), FAULTY_MOOD: this.#mood };
  }

  /** From now on so many of 1000 calls fail. */
  spoil(mood: Mood, permille: number): void {
    writeFileSync(this.#mood, `${mood} ${Math.round(permille)}\n`);
  }

  mend(): void {
    writeFileSync(this.#mood, "well 0\n");
  }
}

/** Gives one to three bytes of a file other values; the last lines, which matter most, more often. */
export function flipBytes(file: string, random: () => number): void {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    // A node that never wrote one.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (bytes.length === 0) return;
  const count = 1 + Math.floor(random() * 3);
  for (let n = 0; n < count; n++) {
    const from = random() < 0.5 ? Math.max(0, bytes.length - 300) : 0;
    bytes[from + Math.floor(random() * (bytes.length - from))] = Math.floor(random() * 256);
  }
  writeFileSync(file, bytes);
}
