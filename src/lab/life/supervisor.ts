// Keeps something running that a lab is made of: an agent's process, the controller's, a router's daemons.

/** What runs: one process, or several that live and die together. */
export interface Running {
  /** Of the first of its processes; null for a part of the lab's own process. */
  readonly pid: number | null;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<unknown>;
  /** Sends a signal to all of its processes. */
  signal(name: NodeJS.Signals): unknown;
  /** Ends it in order; resolves when it has ended. */
  stop(): Promise<unknown>;
}

export interface SupervisorOptions {
  readonly start: () => Promise<Running>;
  readonly onExit?: (pid: number | null) => void;
  readonly onRestart?: () => void;
  /** It could not be started again; it is tried later. */
  readonly onFailure?: (error: unknown) => void;
}

/** How long what was killed stays away, as a kubelet's restart takes, in milliseconds. */
const RESTART_MS = 1000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  #running: Running | undefined;
  /** Nobody wants it to run. */
  #stopping = true;
  #loop: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Whether it runs or comes back by itself. */
  get wanted(): boolean {
    return !this.#stopping;
  }

  /** The first of its process ids; null while it does not run. */
  get pid(): number | null {
    return this.#running?.pid ?? null;
  }

  /** Starts it, unless it is wanted to run already. @throws what `start` of the options throws */
  async start(): Promise<void> {
    if (!this.#stopping) return;
    await this.#loop;
    this.#stopping = false;
    try {
      this.#running = await this.#options.start();
    } catch (error) {
      this.#stopping = true;
      throw error;
    }
    this.#loop = this.#supervise();
  }

  /** Ends it in order; it does not come back by itself. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running?.stop();
    await this.#loop;
  }

  /** SIGKILL; it comes back by itself. Resolves when it has ended. */
  async kill(): Promise<void> {
    const running = this.#running;
    running?.signal("SIGKILL");
    await running?.exited;
  }

  async #supervise(): Promise<void> {
    while (this.#running) {
      const { pid, exited } = this.#running;
      await exited;
      this.#running = undefined;
      if (this.#stopping) return;
      this.#options.onExit?.(pid);
      await this.#restart();
    }
  }

  /** Starts it again, as often as it takes, until that succeeds or nobody wants it any more. */
  async #restart(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      if (this.#stopping) return;
      try {
        const running = await this.#options.start();
        this.#running = running;
        // Stopped while it was being started.
        if (this.#stopping) await running.stop();
        else this.#options.onRestart?.();
        return;
      } catch (error) {
        this.#options.onFailure?.(error);
      }
    }
  }
}
