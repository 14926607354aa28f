// Endpoints on disk: a file to which each change is appended as one line, written anew when most of it is history. A
// line that a crash tore off was never acted upon. Nothing is forced to the disk: after a power cut no namespace, link
// or route is left that the file would have to tell of.
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import type { Logger } from "../../base/log.ts";
import { type Endpoint, endpointKey } from "./endpoint.ts";

type Line = { readonly put: Endpoint } | { readonly gone: string };

/** Lines of history that are kept beyond as many as there are endpoints. */
const SLACK = 1000;

export class EndpointJournal {
  readonly #file: string;
  readonly #live = new Map<string, Endpoint>();
  #descriptor: number | undefined;
  #lines = 0;

  /** Reads what is there, and makes the folder where it is missing. A line that cannot be read is logged and dropped. */
  constructor(folder: string, logger: Logger) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#file = path.join(folder, "endpoints.journal");
    const lines = readLines(this.#file);
    for (const [at, text] of lines.entries()) {
      const line = parse(text);
      if (line === undefined) {
        // The last one is torn where the agent was killed while it wrote.
        const facts = { file: this.#file, line: at + 1 };
        if (at === lines.length - 1) logger.info(facts, "the journal's last line is torn");
        else logger.error(facts, "a line of the journal cannot be read");
      } else if ("put" in line) this.#live.set(endpointKey(line.put), line.put);
      else this.#live.delete(line.gone);
    }
    // A torn line must not become the beginning of the next one.
    this.#writeAnew();
  }

  /** What is known now, by endpoint key. */
  get live(): ReadonlyMap<string, Endpoint> {
    return this.#live;
  }

  put(endpoint: Endpoint): void {
    this.#live.set(endpointKey(endpoint), endpoint);
    this.#append({ put: endpoint });
  }

  /** Succeeds if it is gone already. */
  remove(endpoint: Pick<Endpoint, "containerId" | "ifName">): void {
    const key = endpointKey(endpoint);
    if (this.#live.delete(key)) this.#append({ gone: key });
  }

  /** Using the journal afterwards opens it again. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #append(line: Line): void {
    if (this.#lines > 2 * this.#live.size + SLACK) {
      this.#writeAnew();
      return;
    }
    this.#descriptor ??= openSync(this.#file, "a", 0o600);
    // One write: whole or not at all, whatever kills us.
    writeSync(this.#descriptor, `${JSON.stringify(line)}\n`);
    this.#lines++;
  }

  #writeAnew(): void {
    this.close();
    const temporary = `${this.#file}.new`;
    const lines = [...this.#live.values()].map((endpoint) => `${JSON.stringify({ put: endpoint })}\n`);
    writeFileSync(temporary, lines.join(""), { mode: 0o600 });
    renameSync(temporary, this.#file);
    this.#lines = lines.length;
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function parse(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line;
  } catch {
    // JSON.parse throws nothing but SyntaxError.
    return undefined;
  }
}
