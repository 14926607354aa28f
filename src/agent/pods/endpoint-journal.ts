// Endpoints on disk: a file to which each change is appended as one line, written anew when most of it is history. A
// line that a crash tore off was never acted upon. Nothing is forced to the disk: after a power cut no namespace, link
// or route is left that the file would have to tell of.
//
// A disk that is full or broken never stops what takes a pod down: the state in memory goes ahead of the file, and until the
// file has caught up, nothing new is begun. So what is in the file is always a state that once was.
import path from "node:path";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { JournalFile } from "../../base/journal/file.ts";
import { contentOf, damageOf, decodeLines, encodeLine, parseJson } from "../../base/journal/lines.ts";
import type { Logger } from "../../base/log.ts";
import { type Endpoint, endpointKey, isEndpoint } from "./endpoint.ts";

type Line = { readonly put: Endpoint } | { readonly gone: string };

/** Lines of history that are kept beyond as many as there are endpoints. */
const SLACK = 1000;
/** How often a disk that failed is tried again. */
const RETRY_MS = 1000;

export class EndpointJournal {
  /** Not every line could be read, so what the file says is not all, and not always the last that it said. */
  readonly doubtful: boolean;
  #bad: readonly number[] = [];
  #unreadable: string | undefined;
  #copy: string | undefined;
  readonly #file: JournalFile;
  readonly #logger: Logger;
  readonly #live = new Map<string, Endpoint>();
  #lines = 0;
  /** The file has to be kept as it is before it is written anew. */
  #keep: boolean;
  #fault: TrunklineError<"agent.journal"> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Reads what is there. What cannot be read is kept in a copy and logged; a disk that fails is tried again later. */
  constructor(folder: string, logger: Logger) {
    this.#file = new JournalFile(path.join(folder, "endpoints.journal"));
    this.#logger = logger;
    this.doubtful = this.#keep = !this.#load();
    // A torn line must not become the beginning of the next one.
    this.#tryWriteAnew();
  }

  /** Returns whether every line could be read. */
  #load(): boolean {
    let text: string;
    try {
      text = this.#file.read();
    } catch (error) {
      this.#unreadable = textOf(error);
      const facts = { file: this.#file.path, error: this.#unreadable };
      this.#logger.error(
        facts,
        "the journal of pods' interfaces cannot be read: the kernel is asked instead",
      );
      return false;
    }
    const { values, bad, torn } = decodeLines(text, lineOf);
    for (const line of values)
      if ("put" in line) this.#live.set(endpointKey(line.put), line.put);
      else this.#live.delete(line.gone);
    if (bad.length === 0) return true;
    this.#bad = bad;
    const facts = { file: this.#file.path, lines: bad, torn };
    this.#logger.error(
      facts,
      "the journal of pods' interfaces is damaged: the kernel is asked what it may have said",
    );
    return false;
  }

  /** What is known now, by endpoint key. */
  get live(): ReadonlyMap<string, Endpoint> {
    return this.#live;
  }

  /** What of the file could not be read at the start, in words; undefined where all could be. */
  get damage(): string | undefined {
    if (!this.doubtful) return undefined;
    return damageOf(this.#file.path, { bad: this.#bad, unreadable: this.#unreadable, copy: this.#copy });
  }

  /** Why the file does not hold what is known; undefined when it does. */
  get fault(): string | undefined {
    return this.#fault?.message;
  }

  /** Begins or ends something; what was known before stays so if that cannot be written. @throws `agent.journal` */
  put(endpoint: Endpoint): void {
    const key = endpointKey(endpoint);
    const before = this.#live.get(key);
    this.#live.set(key, endpoint);
    try {
      this.#append({ put: endpoint });
    } catch (error) {
      if (before === undefined) this.#live.delete(key);
      else this.#live.set(key, before);
      throw this.#failed(error);
    }
  }

  /** As `put`, for what is true in any case: if it cannot be written now, it is as soon as the disk lets us. */
  note(endpoint: Endpoint): void {
    this.#live.set(endpointKey(endpoint), endpoint);
    this.#appendIfPossible({ put: endpoint });
  }

  /** Succeeds if it is gone already; written as `note` is. */
  remove(endpoint: Pick<Endpoint, "containerId" | "ifName">): void {
    const key = endpointKey(endpoint);
    if (this.#live.delete(key)) this.#appendIfPossible({ gone: key });
  }

  /** Using the journal afterwards opens it again, but nothing is tried again any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#retry);
    this.#retry = undefined;
    this.#file.close();
  }

  #append(line: Line): void {
    if (this.#fault !== undefined || this.#lines > 2 * this.#live.size + SLACK) {
      this.#writeAnew();
      return;
    }
    this.#file.append(encodeLine(line));
    this.#lines++;
  }

  #appendIfPossible(line: Line): void {
    try {
      this.#append(line);
    } catch (error) {
      this.#failed(error);
    }
  }

  #tryWriteAnew(): void {
    try {
      this.#writeAnew();
    } catch (error) {
      this.#failed(error);
    }
  }

  #writeAnew(): void {
    if (this.#keep) {
      this.#copy = this.#file.setAside();
      this.#keep = false;
      this.#logger.warn(
        { file: this.#file.path, copy: this.#copy },
        "what cannot be read of the journal is kept",
      );
    }
    const lines = [...this.#live.values()].map((put) => encodeLine({ put } satisfies Line));
    this.#file.replaceNow(lines.join(""));
    this.#lines = lines.length;
    if (this.#fault === undefined) return;
    this.#logger.info({ file: this.#file.path }, "the journal of pods' interfaces is written again");
    this.#fault = undefined;
    clearInterval(this.#retry);
    this.#retry = undefined;
  }

  /** From here on the file is behind: it must be written anew before anything is appended. */
  #failed(error: unknown): TrunklineError<"agent.journal"> {
    const facts = { path: this.#file.path, why: textOf(error) };
    const fault = new TrunklineError("agent.journal", facts, { cause: error });
    if (this.#fault === undefined) this.#logger.error(facts, fault.message);
    this.#fault = fault;
    if (!this.#closed) this.#retry ??= setInterval(() => this.#tryWriteAnew(), RETRY_MS).unref();
    return fault;
  }
}

/** Returns what a line says; undefined if it says nothing that can be trusted. */
function lineOf(text: string): Line | undefined {
  // Until 0.1 lines were JSON alone; a checksum begins with a hex digit.
  const json = text.startsWith("{") ? text : contentOf(text);
  const line = json === undefined ? undefined : parseJson(json);
  if (typeof line !== "object" || line === null) return undefined;
  if ("put" in line) return isEndpoint(line.put) ? { put: line.put } : undefined;
  return "gone" in line && typeof line.gone === "string" ? { gone: line.gone } : undefined;
}
