// Finds out whether a silent watch is dead. A connection may be dead without an end: the kernel's keepalive tells where the
// machine behind it is gone, but not where something between (a proxy, a load balancer) holds it open.
export interface PulseOptions {
  /** How long an answer may take, ms. */
  readonly timeoutMs: number;
  /** When the server should have ended the watch long ago, ms from now. */
  readonly longestMs: number;
  /** Asks the server for something, over another connection; rejects where it does not answer. */
  readonly ask: () => Promise<unknown>;
  /** Ends the watch, which then goes on with a new connection. */
  readonly end: () => void;
}

/** A silence of so many time limits is asked about. */
const SILENCE = 6;

/** Runs from its making to stop(). */
export class Pulse {
  readonly #options: PulseOptions;
  readonly #looking: NodeJS.Timeout;
  readonly #longest: NodeJS.Timeout;
  #heardAt = performance.now();
  #answeredAt = this.#heardAt;
  #bookmarkAt = this.#heardAt;
  /**
   * Every how many milliseconds bookmarks come; undefined before the first. What an earlier watch had says nothing: they begin
   * once there is a newer revision than the watch's first.
   */
  #bookmarksMs: number | undefined;
  #asks = false;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#looking = setInterval(() => void this.#look(), options.timeoutMs).unref();
    this.#longest = setTimeout(options.end, options.longestMs).unref();
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** A bookmark came. */
  bookmark(): void {
    const now = performance.now();
    this.#bookmarksMs = now - this.#bookmarkAt;
    this.#bookmarkAt = now;
  }

  stop(): void {
    clearInterval(this.#looking);
    clearTimeout(this.#longest);
  }

  async #look(): Promise<void> {
    const { timeoutMs, ask, end } = this.#options;
    const now = performance.now();
    const patienceMs = SILENCE * timeoutMs;
    // Servers send bookmarks about every minute (Kubernetes 1.37: for kinds in its watch cache, once something changed). That another connection
    // brings answers says nothing of this one, and a new watch from here costs no more than an answer.
    if (
      this.#bookmarksMs !== undefined &&
      now - this.#heardAt > Math.max(patienceMs, 1.5 * this.#bookmarksMs)
    )
      return end();
    if (this.#asks || now - Math.max(this.#heardAt, this.#answeredAt) < patienceMs) return;
    this.#asks = true;
    try {
      await ask();
      this.#answeredAt = performance.now();
    } catch {
      end();
    } finally {
      this.#asks = false;
    }
  }
}
