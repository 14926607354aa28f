// Work that must not run beside other work of its kind: each piece begins when the one before it is over.

export class Turns {
  /** The end of the last piece, which never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  /** Runs the work when all that was asked for before it is over; settles as the work does. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    // A failure is told to whoever asked for it, and must not fail those after it.
    this.#last = mine.catch(() => {});
    return mine;
  }

  /**
   * Settles when all that was asked for so far is over, however it ended, or once so long has passed.
   * @param limitMs in milliseconds; default: however long it takes
   * @returns whether it is over
   */
  async settled(limitMs?: number): Promise<boolean> {
    const over = this.#last.then(() => true);
    if (limitMs === undefined) return over;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, limitMs, false);
    });
    try {
      return await Promise.race([over, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
