// The controllers of pods' own networks, on one set of facts.
import type { Logger } from "../../base/log.ts";
import type { ProviderPlace } from "../../cloud/provider.ts";
import type { Clock } from "../../ipam/types.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import { EniKeeper } from "./eni-keeper.ts";
import { NetworkFacts } from "./facts.ts";
import { NetworkKeeper } from "./network-keeper.ts";

export interface PodNetworksOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly cloud: ProviderPlace | undefined;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

export class PodNetworks {
  readonly #facts: NetworkFacts;
  readonly #networks: NetworkKeeper;
  readonly #enis: EniKeeper | undefined;
  #stopped = false;

  constructor({ store, logger, cloud, clock }: PodNetworksOptions) {
    this.#facts = new NetworkFacts(store, logger);
    const events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
    const common = { store, logger, clock, facts: this.#facts, events };
    this.#networks = new NetworkKeeper({ ...common, cloud });
    this.#enis = cloud && new EniKeeper({ ...common, cloud });
  }

  start(): void {
    void this.#facts.start().then(() => {
      // Before everything is known, a pod might only seem to be gone.
      if (this.#stopped) return;
      this.#networks.start();
      this.#enis?.start();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#facts.stop();
    await Promise.all([this.#networks.stop(), this.#enis?.stop()]);
  }
}
