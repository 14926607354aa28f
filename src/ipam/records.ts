// The journal's lines. Each is `crc32 json`, so that a line that a crash tore off is recognised; the JSON is a list of
// records that count together or not at all. Replaying a line twice changes nothing: a compacted journal may hold the
// effect of lines that are appended again behind it.
import { crc32 } from "node:zlib";
import type { Holding } from "./types.ts";

export type JournalRecord =
  /** A block of this node's. `coolingSince`: nothing is known of its past, so all of it rests first. */
  | {
      readonly op: "block";
      readonly cidr: string;
      readonly pool: string;
      readonly uid: string;
      readonly coolingSince?: number;
      /** Only in a compacted journal: address and the time of its release. */
      readonly freed?: readonly (readonly [address: string, at: number])[];
    }
  /** The node will delete that block in the store, and hands out nothing more of it. */
  | { readonly op: "releasing"; readonly uid: string }
  /** The block is gone, or no longer this node's. */
  | { readonly op: "unblock"; readonly uid: string }
  | ({ readonly op: "hold" } & Holding)
  | { readonly op: "free"; readonly seq: number; readonly at: number }
  /** Its block was taken from this node: the address may be somebody else's by now. */
  | { readonly op: "lost"; readonly seq: number; readonly address: string }
  /** Lent to another node. */
  | { readonly op: "lend"; readonly address: string; readonly node: string; readonly seq: number }
  | { readonly op: "unlend"; readonly address: string; readonly seq: number; readonly at: number }
  /** The borrower gives a loan back, and uses it no more. */
  | { readonly op: "return"; readonly address: string; readonly block: string; readonly loan: number }
  | { readonly op: "returned"; readonly address: string; readonly loan: number }
  /** Release times of borrowed addresses, which belong to no block of ours (compacted journals only). */
  | { readonly op: "rest"; readonly freed: readonly (readonly [address: string, at: number])[] }
  | { readonly op: "next"; readonly seq: number }
  /** For who reads the journal: how long released addresses rest (ms). */
  | { readonly op: "cooldown"; readonly ms: number }
  /** From here on the journal has everything: what an earlier one may have known was looked for and written. */
  | { readonly op: "whole" };

/** Returns the records as one line with its checksum. */
export function encodeLine(records: readonly JournalRecord[]): string {
  const json = JSON.stringify(records);
  return `${checksum(json)} ${json}\n`;
}

export interface Replay {
  readonly records: readonly JournalRecord[];
  /** The last line was not finished: a crash while it was written. It was never answered for. */
  readonly torn: boolean;
  /** A line before the last one is damaged: not a crash, but the disk or a hand. What follows it is read all the same. */
  readonly damaged: number;
}

/** Reads a journal's text. */
export function decodeJournal(text: string): Replay {
  const lines = text.split("\n");
  const tail = lines.pop() ?? "";
  const records: JournalRecord[] = [];
  let damaged = 0;
  let torn = tail !== "";
  for (const [at, line] of lines.entries()) {
    const found = decodeLine(line);
    if (found) records.push(...found);
    // Blocks of the disk may reach it out of order: a last line with its newline but without its middle is torn too.
    else if (at === lines.length - 1 && tail === "") torn = true;
    else damaged++;
  }
  return { records, torn, damaged };
}

function decodeLine(line: string): JournalRecord[] | undefined {
  const json = line.slice(9);
  if (line[8] !== " " || line.slice(0, 8) !== checksum(json)) return undefined;
  return JSON.parse(json) as JournalRecord[];
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, "0");
}
