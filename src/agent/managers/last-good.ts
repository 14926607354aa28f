// One remembered text in a file of the state folder: what was last usable of a configuration that a user may break.
import path from "node:path";
import { textOf } from "../../base/errors.ts";
import { JournalFile } from "../../base/journal/file.ts";

export class LastGood {
  readonly #file: JournalFile;
  #text: string | undefined;
  #written: string | undefined;

  /** @param file made at the first `remember`; its folder too. One that cannot be read is as good as none. */
  constructor(file: string) {
    this.#file = new JournalFile(file);
    try {
      const text = this.#file.read();
      // An empty file is what a text of nothing leaves, and is none.
      this.#text = this.#written = text === "" ? undefined : text;
    } catch {
      this.#text = undefined;
    }
  }

  get text(): string | undefined {
    return this.#text;
  }

  /**
   * Writes the text in one step, so that a crash leaves the old one or the new one. Returns why it could not be written, or
   * undefined: it is remembered in memory then, and written with the next call that can.
   */
  remember(text: string): string | undefined {
    this.#text = text;
    if (text === this.#written) return undefined;
    try {
      this.#file.replaceNow(text);
      this.#written = text;
      return undefined;
    } catch (error) {
      return textOf(error);
    }
  }
}

/** Where a node's agent remembers ip-masq-agent's configuration. */
export function lastGoodFile(stateDir: string): string {
  return path.join(stateDir, "snat", "last-good-config");
}
