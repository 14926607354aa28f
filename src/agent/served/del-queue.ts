// Requests that the plugin executable left on disk while no agent was there to answer: DELs, which must not be lost.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { Logger } from "../../base/log.ts";
import { podOf } from "../../cni/args.ts";
import { readRequest } from "../../cni/protocol.ts";
import { queueFile } from "../../cni/shim/shim.ts";
import { isFailure } from "../../cni/spec.ts";
import type { AddressOwner } from "../pods/addresses.ts";

export class DelQueue {
  readonly #folder: string;
  readonly #logger: Logger;

  /** Makes the folder where it is missing. */
  constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Carries out what is queued. A DEL that fails stays for the next time. */
  async drain(remove: (owner: AddressOwner) => Promise<void>): Promise<void> {
    for (const name of readdirSync(this.#folder)) {
      if (!name.endsWith(".json") || name.startsWith(".")) continue;
      const file = path.join(this.#folder, name);
      const request = readRequest(readFileSync(file, "utf8"));
      if (isFailure(request) || request.command !== "DEL") {
        this.#logger.error(
          { file, why: isFailure(request) ? request.msg : "not a DEL" },
          "queued request dropped",
        );
      } else {
        await remove({
          containerId: request.containerId,
          ifName: request.ifName,
          pod: podOf(request.args),
        });
        this.#logger.info({ containerId: request.containerId, ifName: request.ifName }, "queued DEL done");
      }
      rmSync(file, { force: true });
    }
  }

  /** A container that is added again after its DEL was queued: that DEL is of the past. */
  forget(containerId: string, ifName: string): void {
    const file = path.join(this.#folder, queueFile(containerId, ifName));
    // There nearly never is one, and to look is cheaper than to remove nothing.
    if (existsSync(file)) rmSync(file, { force: true });
  }
}
