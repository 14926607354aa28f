// What BIRD's log has said since last time. A reason for a session's end is in `show protocols` only until the next thing
// happens, which with a peer that hangs up is at once.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export interface SaidBySession {
  readonly protocol: string;
  /** `Received: …` or `Error: …` */
  readonly text: string;
}

/** More than BIRD writes in a second is not read. */
const MOST_BYTES = 65_536;

export class BirdLog {
  readonly #file: string;
  #offset: number | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Returns what is new; the first time nothing, since nobody knows how old it is. */
  news(): SaidBySession[] {
    const text = this.#read();
    return text.split("\n").flatMap((line) => {
      const found = /<(?:RMT|ERR|AUTH)> (\S+): ((?:Received|Error): .+)$/.exec(line);
      return found ? [{ protocol: found[1]!, text: found[2]! }] : [];
    });
  }

  #read(): string {
    let fd: number;
    try {
      fd = openSync(this.#file, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.#offset = 0;
      return "";
    }
    try {
      const { size } = fstatSync(fd);
      // BIRD has begun a new file.
      const from = this.#offset !== undefined && this.#offset > size ? 0 : (this.#offset ?? size);
      const bytes = Buffer.alloc(Math.min(size - from, MOST_BYTES));
      readSync(fd, bytes, 0, bytes.length, size - bytes.length);
      this.#offset = size;
      return bytes.toString();
    } finally {
      closeSync(fd);
    }
  }
}
