// An append-only file that loses nothing which it said it has. A disk that fills up takes part of a write and says so
// without an error; a disk that fails may take anything. So every write's length is checked, what was written of a record
// that did not get through is cut off at once, and what cannot be read is kept beside the file before it is written anew.
import {
  closeSync,
  copyFileSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const datasync = promisify(fdatasync);
const sync = promisify(fsync);

/** How many copies of damaged files are kept; older ones go first. */
const COPIES_KEPT = 5;

export class JournalFile {
  readonly path: string;
  #descriptor: number | undefined;
  /** Where the last whole record ends (bytes). */
  #end = 0;

  constructor(file: string) {
    this.path = file;
  }

  /** Returns the whole text; empty if there is no file. @throws what the system says */
  read(): string {
    try {
      return readFileSync(this.path, "utf8");
    } catch (error) {
      // A node's first start has no journal.
      if (codeOf(error) === "ENOENT") return "";
      throw error;
    }
  }

  /**
   * Appends to the page cache: all of the text, or none of it. @throws what the system says; if even the torn part cannot
   * be cut off, the file must be replaced before the next append
   */
  append(text: string): void {
    const descriptor = this.#open();
    const bytes = Buffer.from(text);
    try {
      writeAll(descriptor, bytes);
    } catch (error) {
      this.#cutOff(descriptor);
      throw error;
    }
    this.#end += bytes.length;
  }

  /** Settles when everything appended would survive a loss of power. @throws what the system says */
  async sync(): Promise<void> {
    await datasync(this.#open());
  }

  /**
   * Puts a new text in place of the old one in one step. With `durable`, that survives a loss of power. @throws what the
   * system says: the old file is then as it was
   */
  replace(text: string, { durable }: { readonly durable: boolean }): Promise<void> {
    return this.replaceFrom([text], { durable });
  }

  /**
   * As `replace`, for texts that come piece by piece. What is appended meanwhile goes to the old file: `last` says at the
   * end, in one step with the change of files, what the new one lacks. @throws also what `pieces` throws
   */
  async replaceFrom(
    pieces: Iterable<string> | AsyncIterable<string>,
    { durable, last = () => "" }: { readonly durable: boolean; readonly last?: () => string },
  ): Promise<void> {
    const descriptor = this.#writeBeside("");
    try {
      for await (const piece of pieces) writeAll(descriptor, Buffer.from(piece));
      if (durable) await datasync(descriptor);
      writeAll(descriptor, Buffer.from(last()));
    } catch (error) {
      this.#forgetBeside();
      throw error;
    } finally {
      closeSync(descriptor);
    }
    this.#takeOver();
    if (durable) await syncFolder(path.dirname(this.path));
  }

  /** As `replace`, at once, and not forced to the disk. @throws what the system says: the old file is then as it was */
  replaceNow(text: string): void {
    closeSync(this.#writeBeside(text));
    this.#takeOver();
  }

  /**
   * Keeps the file as it is now under another name beside it, because not all of it can be read; returns that name, or
   * undefined if there is no file. Takes no room where the file system has hard links. @throws what the system says
   */
  setAside(): string | undefined {
    const copies = this.#copies();
    const number = copies.reduce((most, copy) => Math.max(most, copy.number), 0) + 1;
    const copy = `${this.path}.damaged-${number}`;
    try {
      linkSync(this.path, copy);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      copyFileSync(this.path, copy);
    }
    for (const { name } of copies.slice(0, Math.max(0, copies.length + 1 - COPIES_KEPT)))
      rmSync(path.join(path.dirname(this.path), name), { force: true });
    return copy;
  }

  /** Using the file afterwards opens it again. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    if (this.#descriptor === undefined) {
      this.#descriptor = openSync(this.path, "a", 0o600);
      this.#end = fstatSync(this.#descriptor).size;
    }
    return this.#descriptor;
  }

  #cutOff(descriptor: number): void {
    try {
      ftruncateSync(descriptor, this.#end);
    } catch {
      // The failure that led here is the one to tell; whoever hears of it writes the file anew.
    }
  }

  get #beside(): string {
    return `${this.path}.new`;
  }

  #writeBeside(text: string): number {
    mkdirSync(path.dirname(this.path), { recursive: true, mode: 0o700 });
    const descriptor = openSync(this.#beside, "w", 0o600);
    try {
      writeAll(descriptor, Buffer.from(text));
      return descriptor;
    } catch (error) {
      closeSync(descriptor);
      this.#forgetBeside();
      throw error;
    }
  }

  #takeOver(): void {
    renameSync(this.#beside, this.path);
    // The handle is of the old file, which the rename took away.
    this.close();
  }

  /** What is left of a new file must not take the room that it lacked. */
  #forgetBeside(): void {
    try {
      rmSync(this.#beside, { force: true });
    } catch {
      // A file system that has become read-only; the next attempt truncates it.
    }
  }

  #copies(): { readonly name: string; readonly number: number }[] {
    const prefix = `${path.basename(this.path)}.damaged-`;
    return readdirSync(path.dirname(this.path))
      .filter((name) => name.startsWith(prefix))
      .map((name) => ({ name, number: Number(name.slice(prefix.length)) || 0 }))
      .toSorted((a, b) => a.number - b.number);
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    const taken = writeSync(descriptor, bytes, done);
    // POSIX lets a write take nothing without an error; asking again for ever would be no better.
    if (taken === 0) throw Object.assign(new Error("the disk took nothing of a write"), { code: "EIO" });
    done += taken;
  }
}

/** The rename itself must be on the disk before anything that was answered relies on it. */
async function syncFolder(folder: string): Promise<void> {
  const descriptor = openSync(folder, "r");
  try {
    await sync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
