// One remembered text in a file of the state folder: what was last usable of a configuration that a user may break.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

export class LastGood {
  readonly #file: string;
  #text: string | undefined;

  /** @param file made at the first `remember`; its folder too */
  constructor(file: string) {
    this.#file = file;
    this.#text = readIfThere(file);
  }

  get text(): string | undefined {
    return this.#text;
  }

  /** Writes the text in one step, so that a crash leaves the old one or the new one. */
  remember(text: string): void {
    if (text === this.#text) return;
    mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#file}.new`, text, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
    this.#text = text;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where a node's agent remembers ip-masq-agent's configuration. */
export function lastGoodFile(stateDir: string): string {
  return path.join(stateDir, "snat", "last-good-config");
}
