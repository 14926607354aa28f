// The lines of a journal. Each is `crc32 json`: what a crash tore off, a disk flipped or a hand wrote is told from what
// was meant, line by line. Two things may be wrong with a line, and both come out in the same way: its checksum does not
// fit, or what it says is not a record.
import { crc32 } from "node:zlib";

const CHECKSUM_DIGITS = 8;

/** Returns a value as one line with its checksum. */
export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

/**
 * Returns the JSON text of a line without its newline; undefined if the checksum does not fit.
 */
export function contentOf(line: string): string | undefined {
  const json = line.slice(CHECKSUM_DIGITS + 1);
  const whole = line[CHECKSUM_DIGITS] === " " && line.slice(0, CHECKSUM_DIGITS) === checksum(json);
  return whole ? json : undefined;
}

export interface Decoded<T> {
  readonly values: readonly T[];
  /** Numbers, from 1, of the lines that are no records. What follows them is read all the same. */
  readonly bad: readonly number[];
  /** The only bad line is the last one: most likely a crash in the middle of a write, which was never answered for. */
  readonly torn: boolean;
}

/**
 * Reads a journal's text. `read` turns the content of one line into a value, and returns undefined if it is none;
 * `line` is given the line as it stands in the file.
 */
export function decodeLines<T>(text: string, read: (line: string) => T | undefined): Decoded<T> {
  const lines = text.split("\n");
  // Behind the last newline stands nothing, unless the last line is torn. One that lacks its newline alone counts.
  if (lines.at(-1) === "") lines.pop();
  const values: T[] = [];
  const bad: number[] = [];
  for (const [at, line] of lines.entries()) {
    const value = read(line);
    if (value === undefined) bad.push(at + 1);
    else values.push(value);
  }
  return { values, bad, torn: bad.length === 1 && bad[0] === lines.length };
}

/** Says what of a journal cannot be read, and where that is kept. */
export function damageOf(
  file: string,
  found: {
    readonly bad: readonly number[];
    readonly unreadable: string | undefined;
    readonly copy: string | undefined;
  },
): string {
  const { bad, unreadable, copy } = found;
  const lines = `${bad.length === 1 ? "line" : "lines"} ${bad.slice(0, 10).join(", ")}${bad.length > 10 ? " and more" : ""}`;
  const what =
    unreadable === undefined ? `${lines} of ${file} cannot be read` : `${file} cannot be read: ${unreadable}`;
  return `${what}; what runs was found by the kernel and the store${copy === undefined ? "" : `, and the file is kept as ${copy}`}`;
}

/** Returns the value of a JSON text, or undefined if it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // JSON.parse throws nothing but SyntaxError.
    return undefined;
  }
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(CHECKSUM_DIGITS, "0");
}
