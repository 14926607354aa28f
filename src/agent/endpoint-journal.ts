// Endpoints on disk: one small file each, replaced by rename, so that a file is whole whatever kills the agent. Nothing
// is forced to the disk: after a power cut no namespace, link or route is left that a file would have to tell of.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type Endpoint, endpointKey } from "./endpoint.ts";

export class EndpointJournal {
  readonly #folder: string;

  /** Makes the folder where it is missing. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Reads all endpoints. A file that cannot be read is logged and left for a person to look at. */
  load(logger: Logger): Map<string, Endpoint> {
    const found = new Map<string, Endpoint>();
    for (const name of readdirSync(this.#folder)) {
      const file = path.join(this.#folder, name);
      if (name.startsWith(".")) rmSync(file, { force: true }); // Not yet renamed: never acted upon.
      if (!name.endsWith(".json") || name.startsWith(".")) continue;
      try {
        const endpoint = JSON.parse(readFileSync(file, "utf8")) as Endpoint;
        found.set(endpointKey(endpoint), endpoint);
      } catch (error) {
        logger.error({ file, error: textOf(error) }, "an endpoint's file cannot be read");
      }
    }
    return found;
  }

  write(endpoint: Endpoint): void {
    const file = this.#file(endpoint);
    const temporary = path.join(this.#folder, `.${path.basename(file)}`);
    writeFileSync(temporary, JSON.stringify(endpoint), { mode: 0o600 });
    renameSync(temporary, file);
  }

  /** Succeeds if it is gone already. */
  remove(endpoint: Pick<Endpoint, "containerId" | "ifName">): void {
    rmSync(this.#file(endpoint), { force: true });
  }

  // By hash: a container's id may be longer than a file's name.
  #file(endpoint: Pick<Endpoint, "containerId" | "ifName">): string {
    const name = createHash("sha256").update(endpointKey(endpoint)).digest("hex").slice(0, 32);
    return path.join(this.#folder, `${name}.json`);
  }
}
