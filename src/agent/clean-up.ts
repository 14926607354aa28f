// The node's regular clean-up: carries out what is queued, and takes back what nobody will ever ask us to. One at a time.
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { UsedAddress } from "../ipam/context.ts";
import type { Machine } from "../kernel/kernel.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import type { AddressSource } from "./pods/addresses.ts";
import type { Endpoints } from "./pods/endpoints.ts";
import { collectGone } from "./pods/gone-pods.ts";
import type { DelQueue } from "./served/del-queue.ts";

export interface CleanUpOptions {
  readonly endpoints: Endpoints;
  readonly queue: DelQueue;
  readonly addresses: AddressSource;
  readonly machine: Machine;
  readonly facts: ClusterFacts;
  readonly logger: Logger;
  /** For how long a pod must be gone. */
  readonly graceSeconds: number;
  /** Whether the cluster's objects are read: until then no pod counts as gone. */
  readonly synced: () => boolean;
  /** Addresses that something on this node uses. */
  readonly inUse: () => readonly UsedAddress[];
}

export class CleanUp {
  readonly #options: CleanUpOptions;
  #running: Promise<void> | undefined;

  constructor(options: CleanUpOptions) {
    this.#options = options;
  }

  /** Begins a round, unless one is under way. */
  begin(): void {
    this.#running ??= this.#round()
      .catch((error: unknown) =>
        this.#options.logger.error({ error: textOf(error) }, "the regular clean-up failed"),
      )
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Settles when no round is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #round(): Promise<void> {
    const { endpoints, queue, addresses, machine, facts, logger, graceSeconds } = this.#options;
    await queue.drain((attached) => endpoints.remove(attached));
    if (!this.#options.synced()) return;
    await collectGone(endpoints, facts, machine, graceSeconds, logger);
    const used = () => new Set(this.#options.inUse().map(({ address }) => address));
    const attachments = [...endpoints.known.values()];
    await addresses.collect?.({ attachments, addresses: used }, graceSeconds * 1000);
  }
}
