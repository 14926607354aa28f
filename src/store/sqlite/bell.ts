// How processes that share a store's file wake one another: whoever commits writes one byte to a file beside it, and
// everybody else sees that by inotify. The byte is written after the commit, so who wakes finds the change (a watch on
// SQLite's own log would fire before the commit is visible). A process killed between the two rings no bell: a slow
// poll makes good for it.
import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from "node:fs";

const pollMs = 250;

export class Bell {
  readonly #file: string;
  readonly #fd: number;
  readonly #onRing: () => void;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `path` is the store's file; `onRing` looks for changes, and is called when there may be none as well. */
  constructor(path: string, onRing: () => void) {
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
    if (on) {
      this.#timer = setInterval(this.#onRing, pollMs);
      this.#watcher = watch(this.#file, this.#onRing);
      // Out of inotify watches, or the file is gone: the poll still works.
      this.#watcher.on("error", () => this.#watcher?.close());
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#watcher?.close();
      this.#watcher = undefined;
    }
  }

  close(): void {
    this.listen(false);
    closeSync(this.#fd);
  }
}
