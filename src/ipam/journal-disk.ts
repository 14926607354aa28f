// A journal's file on a real disk.

import { writeSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { JournalDisk } from "./journal.ts";

const fileName = "ipam.journal";

/** Returns the disk of the journal in that folder; the folder is made when first needed. */
export function fileDisk(folder: string): JournalDisk {
  const path = join(folder, fileName);
  let file: FileHandle | undefined;
  const forAppend = async () => (file ??= await open(path, "a", 0o600));
  return {
    path,
    read: () => readText(path),
    async append(text) {
      // Into the page cache, which takes less than handing it to another thread would.
      writeSync((await forAppend()).fd, text);
    },
    async sync() {
      await (await forAppend()).datasync();
    },
    async replace(text) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeSynced(`${path}.new`, text);
      // The handle is of the old file, which the rename takes away.
      await file?.close();
      file = undefined;
      await rename(`${path}.new`, path);
      await syncFolder(folder);
    },
    async close() {
      await file?.close();
      file = undefined;
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // A node's first start has no journal.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, "w", 0o600);
  await file.writeFile(text);
  await file.datasync();
}

/** The rename itself must be on the disk before anything that was answered relies on it. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
