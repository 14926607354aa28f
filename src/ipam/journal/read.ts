// A node's journal read from outside, while its agent runs or not.

import { Ledger } from "../ledger.ts";
import { fileDisk } from "./disk.ts";
import { decodeJournal } from "./records.ts";

/**
 * Returns what the journal in that folder says, or undefined if there is none.
 * @throws the file system's error if it cannot be read
 */
export async function readJournal(folder: string): Promise<Ledger | undefined> {
  const text = await fileDisk(folder).read();
  if (text === "") return undefined;
  const ledger = new Ledger();
  for (const record of decodeJournal(text).records) ledger.apply(record);
  return ledger;
}
