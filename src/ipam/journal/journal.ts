// An append-only file that is compacted by writing a new one beside it and renaming it over. Appends that come while
// one is being written share the next write and its sync.
import { TrunklineError, textOf } from "../../base/errors.ts";
import { decodeJournal, encodeLine, type JournalRecord, type Replay } from "./records.ts";

/** The file below a journal; tests put one in its place that crashes. */
export interface JournalDisk {
  /** For messages. */
  readonly path: string;
  /** The whole text; empty if there is no file. */
  read(): Promise<string>;
  /** All of it or, where it can be helped, none. */
  append(text: string): Promise<void>;
  /** Settles when everything appended would survive a loss of power. */
  sync(): Promise<void>;
  /** Puts a new text in place of the old one, in one step that survives a loss of power. */
  replace(text: string): Promise<void>;
  /** Keeps the file as it is under another name, which is returned; undefined if there is no file. */
  setAside(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface Loaded extends Replay {
  /** Why the file could not be read at all. */
  readonly unreadable: string | undefined;
  /** Where what cannot be read is kept; undefined where all can be, or where there is no room for a copy yet. */
  readonly copy: string | undefined;
}

interface Waiting {
  readonly records: readonly JournalRecord[];
  readonly sync: boolean;
  readonly done: PromiseWithResolvers<void>;
}

export class Journal {
  readonly #disk: JournalDisk;
  readonly #snapshot: () => readonly JournalRecord[];
  readonly #compactAfter: number;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #lines = 0;
  #live = 0;
  /** A write failed, so the file's end is unknown: nothing may be appended before it was written anew. */
  #broken = true;
  #fault: TrunklineError | undefined;
  /** What the file holds cannot all be read, and is kept before it is written anew. */
  #keep = false;

  /**
   * `snapshot` gives the records that stand for the whole state at the moment, with everything in it that was handed
   * to `append`. The file is compacted when it has `compactAfter` lines more than twice the state's.
   */
  constructor(disk: JournalDisk, snapshot: () => readonly JournalRecord[], compactAfter = 2000) {
    this.#disk = disk;
    this.#snapshot = snapshot;
    this.#compactAfter = compactAfter;
  }

  /** The file, for messages. */
  get path(): string {
    return this.#disk.path;
  }

  /** Why the last write failed; undefined once one has succeeded. */
  get fault(): TrunklineError | undefined {
    return this.#fault;
  }

  /**
   * Reads what the file holds. What of it cannot be read is kept in a copy beside it, whose name is returned; so is the
   * whole file where the disk does not even read.
   */
  async load(): Promise<Loaded> {
    let replay: Replay = { records: [], bad: [], torn: false };
    let unreadable: string | undefined;
    try {
      replay = decodeJournal(await this.#disk.read());
    } catch (error) {
      unreadable = textOf(error);
    }
    this.#keep = unreadable !== undefined || replay.bad.length > 0;
    return { ...replay, unreadable, copy: await this.#keepCopy().catch(() => undefined) };
  }

  /** @throws what the disk says: then nothing may be written over the file yet */
  async #keepCopy(): Promise<string | undefined> {
    if (!this.#keep) return undefined;
    const copy = await this.#disk.setAside();
    this.#keep = false;
    return copy;
  }

  /**
   * Writes records behind all earlier ones, all or none. The state must hold them already. With `sync`, settles only when they are
   * on the disk itself. @throws `ipam.journal`: whether they are in the file is then unknown
   */
  append(records: readonly JournalRecord[], options: { readonly sync: boolean }): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ records, sync: options.sync, done });
    this.#draining ??= this.#drain();
    return done.promise;
  }

  /** Makes sure that the file holds the whole state. @throws `ipam.journal` */
  async flush(): Promise<void> {
    if (this.#broken || this.#draining) await this.append([], { sync: true });
  }

  async close(): Promise<void> {
    await this.#draining;
    await this.#disk.close();
  }

  async #drain(): Promise<void> {
    // Lets every caller of this turn of the event loop join the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch);
        this.#fault = undefined;
        for (const { done } of batch) done.resolve();
      } catch (error) {
        this.#broken = true;
        this.#fault = this.#failure(error);
        for (const { done } of batch) done.reject(this.#fault);
      }
    }
    this.#draining = undefined;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    if (this.#broken || this.#lines > 2 * this.#live + this.#compactAfter) {
      await this.#keepCopy();
      const records = this.#snapshot();
      await this.#disk.replace(records.map((record) => encodeLine([record])).join(""));
      this.#live = this.#lines = records.length;
      this.#broken = false;
      return;
    }
    const lines = batch.filter(({ records }) => records.length > 0);
    if (lines.length === 0) return;
    await this.#disk.append(lines.map(({ records }) => encodeLine(records)).join(""));
    this.#lines += lines.length;
    if (batch.some((waiting) => waiting.sync)) await this.#disk.sync();
  }

  #failure(error: unknown): TrunklineError {
    return new TrunklineError(
      "ipam.journal",
      { path: this.#disk.path, why: textOf(error) },
      { cause: error },
    );
  }
}
