// The journal's records. Each line holds a list of records that count together or not at all. Replaying a line twice
// changes nothing: a compacted journal may hold the effect of lines that are appended again behind it. What a line says is
// looked at before it counts: a checksum tells a flipped bit, not a hand, or a version of Trunkline that knows more.

import { cidrSize, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import {
  contentOf,
  type Decoded,
  decodeLines,
  encodeLine as encode,
  parseJson,
} from "../../base/journal/lines.ts";
import type { Holding } from "../types.ts";

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
  /** How the times in this journal are to be read: `offset` and the steady clock of that run of the machine make them. */
  | { readonly op: "clock"; readonly boot: string; readonly offset: number }
  /** For who reads the journal: how long released addresses rest (ms). */
  | { readonly op: "cooldown"; readonly ms: number }
  /** From here on the journal has everything: what an earlier one may have known was looked for and written. */
  | { readonly op: "whole" };

/** Returns the records as one line. */
export function encodeLine(records: readonly JournalRecord[]): string {
  return encode(records);
}

export interface Replay extends Omit<Decoded<unknown>, "values"> {
  readonly records: readonly JournalRecord[];
}

/** Reads a journal's text. */
export function decodeJournal(text: string): Replay {
  const { values, ...rest } = decodeLines(text, decodeLine);
  return { records: values.flat(), ...rest };
}

function decodeLine(line: string): readonly JournalRecord[] | undefined {
  const json = contentOf(line);
  const parsed = json === undefined ? undefined : parseJson(json);
  return Array.isArray(parsed) && parsed.every(isRecord) ? parsed : undefined;
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isName: Check = (value) => typeof value === "string" && value !== "";
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isTime: Check = (value) => typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER;
const isAddress: Check = (value) => typeof value === "string" && tryParseIp(value) !== undefined;
const isRange: Check = (value) => {
  const range = typeof value === "string" ? tryParseCidr(value) : undefined;
  return range !== undefined && cidrSize(range) <= largestBlock;
};
/** A block's addresses are kept one by one; no pool has blocks of more than 4096. */
const largestBlock = 1n << 16n;
const isFreed: Check = (value) =>
  Array.isArray(value) &&
  value.every((one) => Array.isArray(one) && one.length === 2 && isAddress(one[0]) && isTime(one[1]));
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check((value as Fields)[name]));

const isOwner = shape({ containerId: isName, ifName: isText, pod: isText, uid: isText });
const isHeld = shape({
  address: isAddress,
  family: (value) => value === 4 || value === 6,
  pool: isText,
  // Of what was found in use after a journal was lost, neither pool nor block is known.
  block: (value) => value === "" || isRange(value),
  loan: optional(isCount),
  lost: optional((value) => typeof value === "boolean"),
});

const checks: Readonly<Record<JournalRecord["op"], Check>> = {
  block: shape({
    cidr: isRange,
    pool: isText,
    uid: isName,
    coolingSince: optional(isTime),
    freed: optional(isFreed),
  }),
  releasing: shape({ uid: isName }),
  unblock: shape({ uid: isName }),
  hold: shape({
    seq: isCount,
    at: isTime,
    owner: isOwner,
    addresses: (value) => Array.isArray(value) && value.every(isHeld),
  }),
  free: shape({ seq: isCount, at: isTime }),
  lost: shape({ seq: isCount, address: isAddress }),
  lend: shape({ address: isAddress, node: isName, seq: isCount }),
  unlend: shape({ address: isAddress, seq: isCount, at: isTime }),
  return: shape({ address: isAddress, block: isName, loan: isCount }),
  returned: shape({ address: isAddress, loan: isCount }),
  rest: shape({ freed: isFreed }),
  next: shape({ seq: isCount }),
  clock: shape({ boot: isName, offset: isTime }),
  cooldown: shape({ ms: isTime }),
  whole: () => true,
};

function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== "object" || value === null) return false;
  const { op } = value as Fields;
  return typeof op === "string" && Object.hasOwn(checks, op) && checks[op as JournalRecord["op"]](value);
}
