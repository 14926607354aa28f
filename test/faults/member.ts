// A node as the hammer sees it, and its plainest kind: an allocator as a process of its own.
import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import type { Owner } from "../../src/ipam/types.ts";
import type { Answer, ChildSetup, Order } from "./ipam-child.ts";

/** The process died before it answered: whether it did what it was told is unknown. */
export class NoAnswer extends Error {}

export interface Member {
  readonly name: string;
  /** Of the node itself. */
  readonly address: string;
  /** Folder of its addresses' journal. */
  readonly journal: string;
  /** Its process runs. */
  readonly alive: boolean;
  /** Journals that bytes may be flipped in while no process runs. */
  readonly journals: readonly string[];
  /** Settles when the process that was started last can be spoken to, or has ended. */
  readonly ready: Promise<void>;
  start(setup: ChildSetup): void;
  /** @throws NoAnswer, or what the process answers */
  order(order: Order): Promise<unknown>;
  /** SIGKILL, here and now. */
  kill(): Promise<void>;
  /** The machine below the process is gone, with all its pods. */
  switchOff(): Promise<void>;
  /** Ends for good and clears away. */
  end(): Promise<void>;
  /** What is left of pods on the machine. */
  leftovers(): readonly string[];
  /** Returns why a pod that has an address cannot be reached at it; undefined if it can, or there is no network. */
  cutOff(owner: Owner, address: string): string | undefined;
}

export class IpamMember implements Member {
  readonly name: string;
  readonly address = "192.168.77.1";
  readonly journal: string;
  ready: Promise<void> = Promise.resolve();
  #child: ChildProcess | undefined;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #ids = 0;

  readonly #env: Readonly<Record<string, string>>;

  constructor(name: string, folder: string, env: Readonly<Record<string, string>> = {}) {
    this.name = name;
    this.journal = path.join(folder, name, "ipam");
    this.#env = env;
  }

  get journals(): readonly string[] {
    return [path.join(this.journal, "ipam.journal")];
  }

  cutOff(): undefined {
    return undefined;
  }

  get alive(): boolean {
    return this.#child !== undefined;
  }

  start(setup: ChildSetup): void {
    const file = path.join(import.meta.dirname, "ipam-child.ts");
    const child = fork(file, [JSON.stringify(setup)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
      env: { ...process.env, ...this.#env },
    });
    this.#child = child;
    const up = Promise.withResolvers<void>();
    this.ready = up.promise;
    child.on("message", (answer: Answer) => {
      if (answer.id === 0) up.resolve();
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error) waiting?.reject(Object.assign(new Error(answer.error.message), answer.error));
      else waiting?.resolve(answer.value);
    });
    child.once("exit", () => {
      up.resolve();
      if (this.#child === child) this.#child = undefined;
      for (const waiting of this.#waiting.values()) waiting.reject(new NoAnswer());
      this.#waiting.clear();
    });
  }

  async order(order: Order): Promise<unknown> {
    await this.ready;
    const child = this.#child;
    if (!child?.connected) throw new NoAnswer();
    const id = ++this.#ids;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    child.send({ ...order, id }, (error) => {
      // It died between our look and the write; the exit event tells everybody else.
      if (error) answer.reject(new NoAnswer());
    });
    return answer.promise;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async switchOff(): Promise<void> {}

  end(): Promise<void> {
    return this.kill();
  }

  leftovers(): readonly string[] {
    return [];
  }
}
