// A journal's file on a real disk.
import path from "node:path";
import { JournalFile } from "../../base/journal/file.ts";
import type { JournalDisk } from "./journal.ts";

const fileName = "ipam.journal";

/** Returns the disk of the journal in that folder; the folder is made when first needed. */
export function fileDisk(folder: string): JournalDisk {
  const file = new JournalFile(path.join(folder, fileName));
  return {
    path: file.path,
    read: async () => file.read(),
    // Into the page cache, which takes less than handing it to another thread would.
    append: async (text) => file.append(text),
    sync: () => file.sync(),
    replace: (text) => file.replace(text, { durable: true }),
    setAside: async () => file.setAside(),
    close: async () => file.close(),
  };
}
