// Datagrams between two pods, each half a millisecond, and when they began to arrive or no longer did (policy-probe.c).
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { compiled } from "../compiled.ts";

export type Way = "open" | "closed";

/** Something that a probe has found; `at` is in milliseconds of `now`. */
export interface Found {
  readonly way: Way;
  readonly at: number;
}

const PATIENCE_MS = 20_000;

/** Reads a line of policy-probe. @throws if it is none */
export function foundIn(line: string): Found {
  const [, way, at] = /^(open|closed) (\d+)$/.exec(line) ?? [];
  if (way === undefined) throw new Error(`policy-probe says: ${line}`);
  return { way: way as Way, at: Number(at) / 1e6 };
}

export class PolicyProbe {
  readonly #child: ChildProcess;
  #last: Found | undefined;
  #look: () => void = () => {};

  /**
   * @param from a process in the network namespace that packets come from
   * @param to one in the namespace that has the address
   */
  constructor(from: number, to: number, address: string) {
    const words = [`${from}`, `${to}`, address];
    this.#child = spawn(compiled("kube/policy-probe"), words, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#last = foundIn(line);
      this.#look();
    });
  }

  /**
   * Settles once packets pass, or no longer do, with the time at which the first of those was sent.
   * @throws when nothing of that kind happens
   */
  until(way: Way): Promise<number> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`not within ${PATIENCE_MS / 1000} s: the way is ${way}`)),
        PATIENCE_MS,
      );
      this.#look = () => {
        if (this.#last?.way !== way) return;
        clearTimeout(late);
        this.#look = () => {};
        resolve(this.#last.at);
      };
      this.#look();
    });
  }

  end(): void {
    this.#child.kill();
  }
}
