// One node's BIRD: started when it is wanted, found again by its socket when it runs already, started again when it has
// died. It is not this process's child in any sense that matters: it lives on when the agent dies.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isError, TrunklineError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { isMissingCommand, run, startDaemon } from "../kernel/exec/index.ts";
import type { NetnsRef } from "../kernel/kernel.ts";
import { BirdControl } from "./control.ts";
import type { BirdFiles } from "./files.ts";

export interface BirdProcessOptions {
  readonly node: string;
  readonly netns: NetnsRef;
  readonly files: BirdFiles;
  readonly logger: Logger;
  /** Called before BIRD is started with a configuration, and before it gets another one: routes may vanish for a moment. */
  readonly beforeChange: (what: "start" | "configure", text: string) => Promise<void>;
  /** Called when it runs with that configuration. */
  readonly onSettled: (text: string) => void;
  /** Whether its routes may be in the kernel already, from one that has died. */
  readonly leftRoutes: () => boolean;
}

const START_MS = 5000;
const POLL_MS = 20;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** BIRD reads and compares thousands of prefixes within this, in milliseconds. */
const CONFIGURE_MS = 30_000;

export class BirdProcess {
  readonly #options: BirdProcessOptions;
  /** Undefined: BIRD is to be down. */
  #wanted: string | undefined;
  /** Nobody has said anything yet: then nothing is touched. */
  #told = false;
  #applied: string | undefined;
  #control: BirdControl | undefined;
  #error: TrunklineError | Error | undefined;
  #pauseMs = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: BirdProcessOptions) {
    this.#options = options;
  }

  /** What keeps BIRD from running as wanted, if anything does. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** The connection while it runs as wanted. */
  get control(): BirdControl | undefined {
    return this.#applied === undefined ? undefined : this.#control;
  }

  /** Says what BIRD is to do, undefined: not to run. Returns at once. */
  want(text: string | undefined): void {
    if (this.#told && text === this.#wanted && this.#error === undefined) return;
    this.#told = true;
    this.#wanted = text;
    this.#pauseMs = 0;
    this.#wake();
  }

  /** Lets go of BIRD, which goes on. */
  async stop(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#running;
    this.#control?.close();
  }

  #wake(): void {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#wake();
    });
  }

  async #round(): Promise<void> {
    try {
      if (this.#wanted === undefined) await this.#end();
      else await this.#follow(this.#wanted);
      this.#error = undefined;
      this.#pauseMs = 0;
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(textOf(error));
      this.#options.logger.warn({ error: textOf(error) }, "BIRD does not run as it should");
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs === 0 ? FIRST_PAUSE_MS : 2 * this.#pauseMs);
      this.#timer = setTimeout(() => this.#wake(), this.#pauseMs);
    }
  }

  async #follow(text: string): Promise<void> {
    const { files, beforeChange, onSettled } = this.#options;
    mkdirSync(files.folder, { recursive: true, mode: 0o700 });
    const control = this.#control ?? (await this.#find());
    if (control === undefined) {
      if (existsSync(files.stayDown)) {
        this.#timer = setTimeout(() => this.#wake(), 1000);
        return;
      }
      await this.#start(text);
      onSettled(text);
      return;
    }
    if (this.#applied === text) return;
    await this.#check(control, text);
    await beforeChange("configure", text);
    renameSync(files.next, files.config);
    await control.command(`configure "${files.config}"`, CONFIGURE_MS);
    this.#applied = text;
    this.#options.logger.info({}, "BIRD has another configuration");
    onSettled(text);
  }

  /** Returns a connection to a BIRD that runs already; it may be the work of an agent that has died. */
  async #find(): Promise<BirdControl | undefined> {
    const { files } = this.#options;
    if (!existsSync(files.control)) return undefined;
    try {
      const control = await BirdControl.connect(files.control);
      this.#adopt(control);
      return control;
    } catch (error) {
      // Nobody listens: what lies there is of a BIRD that was killed. One that hangs does listen, and is left alone.
      if (isError(error, "bird.no-answer") && /ECONNREFUSED|ENOENT/.test(error.message)) return undefined;
      throw error;
    }
  }

  #adopt(control: BirdControl): void {
    this.#control = control;
    this.#applied = undefined;
    void control.closed.then(() => {
      if (this.#control !== control) return;
      this.#control = undefined;
      this.#applied = undefined;
      if (this.#ended || this.#wanted === undefined) return;
      this.#options.logger.warn({}, "BIRD has ended");
      this.#wake();
    });
  }

  async #start(text: string): Promise<void> {
    const { files, netns, logger, beforeChange, leftRoutes, node } = this.#options;
    writeFileSync(files.next, text, { mode: 0o600 });
    // Asked before, because a BIRD that refuses its file at the start says so to nobody.
    try {
      await run("bird", ["-p", "-c", files.next]);
    } catch (error) {
      if (isMissingCommand(error)) throw new TrunklineError("bird.missing", { node });
      if (isError(error, "kernel.command")) throw new TrunklineError("bird.refused", { why: error.message });
      throw error;
    }
    renameSync(files.next, files.config);
    await beforeChange("start", text);
    const recovers = leftRoutes();
    rmSync(files.control, { force: true });
    const args = ["-f", "-c", files.config, "-s", files.control, "-P", files.pid];
    const daemon = await startDaemon("bird", recovers ? [...args, "-R"] : args, {
      netns,
      detached: true,
      logFile: `${files.log}.start`,
    });
    logger.info({ pid: daemon.pid, recovers }, "BIRD is started");
    let ended = false;
    void daemon.exited.then(() => {
      ended = true;
    });
    const deadline = performance.now() + START_MS;
    for (;;) {
      const control = await this.#find().catch((error: unknown) => {
        if (isError(error, "bird.no-answer")) return undefined;
        throw error;
      });
      if (control) break;
      if (ended || performance.now() > deadline) {
        daemon.signal("SIGKILL");
        throw new TrunklineError("bird.no-answer", {
          path: files.control,
          why: ended ? `it ended at once: ${tail(`${files.log}.start`)}` : "it does not listen",
        });
      }
      await sleep(POLL_MS);
    }
    this.#applied = text;
  }

  async #check(control: BirdControl, text: string): Promise<void> {
    const { files } = this.#options;
    writeFileSync(files.next, text, { mode: 0o600 });
    try {
      await control.command(`configure check "${files.next}"`, CONFIGURE_MS);
    } catch (error) {
      if (!isError(error, "bird.command")) throw error;
      throw new TrunklineError("bird.refused", { why: error.data.why });
    }
  }

  async #end(): Promise<void> {
    const { files, logger } = this.#options;
    const control = this.#control ?? (await this.#find());
    if (!control) return;
    this.#control = undefined;
    this.#applied = undefined;
    // It takes its routes out of the kernel.
    await control.command("down").catch((error: unknown) => {
      if (!isError(error, "bird.no-answer")) throw error;
    });
    await control.closed;
    for (const file of [files.control, files.pid, files.config, files.next]) rmSync(file, { force: true });
    logger.info({}, "BIRD has ended: nobody needs it");
  }
}

function tail(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().slice(-500);
  } catch {
    return "it has said nothing";
  }
}
