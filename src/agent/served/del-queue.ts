// Requests that the plugin executable left on disk while no agent was there to answer: DELs, which must not be lost. The
// folder is anybody's who is root: what in it is no request is put aside, and never stands in the way of the others.
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { podOf } from "../../cni/args.ts";
import { type AgentRequest, readRequest } from "../../cni/protocol.ts";
import { queueFile } from "../../cni/shim/shim.ts";
import { isFailure } from "../../cni/spec.ts";
import type { AddressOwner } from "../pods/addresses.ts";

/** More than any request; what is larger is not even read (bytes). */
const LARGEST = 4 << 20;

export class DelQueue {
  readonly #folder: string;
  readonly #logger: Logger;

  /** The folder is made where it is missing; one that cannot be made is logged: the executable tries as well. */
  constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      logger.error({ folder, error: textOf(error) }, "the folder of queued DELs cannot be made");
    }
  }

  /** Carries out what is queued; never rejects. A DEL that fails stays for the next time. */
  async drain(remove: (owner: AddressOwner) => Promise<void>): Promise<void> {
    for (const name of this.#names()) {
      const file = path.join(this.#folder, name);
      try {
        await this.#carryOut(file, remove);
      } catch (error) {
        this.#logger.error({ file, error: textOf(error) }, "a queued DEL failed, and is tried again later");
      }
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    } catch (error) {
      this.#logger.error({ folder: this.#folder, error: textOf(error) }, "queued DELs cannot be read");
      return [];
    }
  }

  async #carryOut(file: string, remove: (owner: AddressOwner) => Promise<void>): Promise<void> {
    const request = readEntry(file);
    if (typeof request === "string") {
      this.#logger.error({ file, why: request }, "put aside what is no queued DEL");
      renameSync(file, `${file}.unreadable`);
      return;
    }
    const { containerId, ifName } = request;
    await remove({ containerId, ifName, pod: podOf(request.args) });
    this.#logger.info({ containerId, ifName }, "queued DEL done");
    rmSync(file, { force: true });
  }

  /** A container that is added again after its DEL was queued: that DEL is of the past. */
  forget(containerId: string, ifName: string): void {
    const file = path.join(this.#folder, queueFile(containerId, ifName));
    // There nearly never is one, and to look is cheaper than to remove nothing.
    if (existsSync(file)) rmSync(file, { force: true });
    // An executable of before 0.1 named files so that another attachment's could have the same name.
    const old = path.join(this.#folder, `${containerId}.${ifName}.json`);
    if (!existsSync(old)) return;
    const request = readEntry(old);
    if (typeof request !== "string" && request.containerId === containerId && request.ifName === ifName)
      rmSync(old, { force: true });
  }
}

/** Returns the DEL that a file holds, or why it holds none. @throws what the system says of a file that cannot be read now */
function readEntry(file: string): AgentRequest | string {
  // A FIFO would be waited for.
  const stat = lstatSync(file);
  if (!stat.isFile()) return "not a file";
  if (stat.size > LARGEST) return `larger than ${LARGEST} bytes`;
  const request = readRequest(readFileSync(file, "utf8"));
  if (isFailure(request)) return request.msg;
  return request.command === "DEL" ? request : "not a DEL";
}
