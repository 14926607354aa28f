// How processes that share a store's file wake one another: whoever commits writes one byte to a file beside it, and
// everybody else sees that by inotify. The byte is written after the commit, so who wakes finds the change (a watch on
// SQLite's own log would fire before the commit is visible). A process killed between the two rings no bell: a slow
// poll makes good for it. Where there are no events (out of inotify watches, somebody has replaced the file) it is a quick one.
import {
  closeSync,
  constants,
  type FSWatcher,
  openSync,
  type WatchListener,
  watch,
  writeSync,
} from "node:fs";

const SLOW_MS = 1000;
const QUICK_MS = 250;

export class Bell {
  readonly #file: string;
  readonly #fd: number;
  readonly #onRing: () => void;
  readonly #watch: (file: string, listener: WatchListener<string>) => FSWatcher;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #periodMs = 0;

  /**
   * `path` is the store's file; `onRing` looks for changes, and is called when there may be none as well.
   * @param watchFile for tests
   */
  constructor(
    path: string,
    onRing: () => void,
    watchFile: (file: string, listener: WatchListener<string>) => FSWatcher = watch,
  ) {
    this.#watch = watchFile;
    this.#file = `${path}-bell`;
    this.#fd = openSync(this.#file, constants.O_WRONLY | constants.O_CREAT, 0o600);
    this.#onRing = onRing;
  }

  /** Tells the others that a commit happened. */
  ring(): void {
    try {
      // Truncating would be a second event; a byte at a fixed place keeps the file's length at one.
      writeSync(this.#fd, "!", 0);
    } catch {
      // The disk is full or broken, but the commit is made: the others' poll finds it.
    }
  }

  /** Starts or stops listening; listening keeps the process alive, as somebody waits for changes. */
  listen(on: boolean): void {
    if (on === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watcher?.close();
    this.#watcher = undefined;
    if (!on) return;
    this.#poll(SLOW_MS);
    try {
      this.#watcher = this.#watch(this.#file, (event) => {
        // The file that others ring is another one by now.
        if (event === "rename") this.#deaf();
        this.#onRing();
      });
      this.#watcher.on("error", () => this.#deaf());
    } catch {
      this.#deaf();
    }
  }

  /** Milliseconds between one poll and the next. */
  get periodMs(): number {
    return this.#periodMs;
  }

  #poll(ms: number): void {
    this.#periodMs = ms;
    clearInterval(this.#timer);
    this.#timer = setInterval(this.#onRing, ms);
  }

  #deaf(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#poll(QUICK_MS);
  }

  close(): void {
    this.listen(false);
    closeSync(this.#fd);
  }
}
