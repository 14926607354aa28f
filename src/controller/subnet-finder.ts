// Makes the object Subnet of every vSwitch that somebody names and the provider has: from then on nodes know its zone and
// range. An object that is there already is left as it is.
import type { ConfigMap } from "../api/kinds/core.ts";
import { configMapKind } from "../api/kinds/core.ts";
import { type PodNetworking, podNetworkingKind } from "../api/kinds/pod-networking.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import { isError, textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { CloudProvider } from "../cloud/provider.ts";
import { namedSubnets } from "../plan/subnets/named-subnets.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";

export interface SubnetFinderOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly provider: CloudProvider;
  /** Those that are there, by name. */
  readonly subnets: ReadonlyMap<string, Subnet>;
}

/** Objects come in swarms. */
const GATHER_MS = 200;

export class SubnetFinder {
  readonly #options: SubnetFinderOptions;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #podNetworkings: Informer<PodNetworking>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SubnetFinderOptions) {
    const { store, logger } = options;
    this.#options = options;
    this.#configMaps = new Informer(store, configMapKind, { namespace: "kube-system", logger });
    this.#podNetworkings = new Informer(store, podNetworkingKind, { logger });
  }

  start(): void {
    this.#configMaps.on(() => this.#soon());
    this.#podNetworkings.on(() => this.#soon());
    this.#configMaps.start();
    this.#podNetworkings.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#configMaps.stop(), this.#podNetworkings.stop(), this.#looking]);
  }

  /** Asks the provider for those that are named and not there; to be called now and then. @throws `cloud.…`, `store.…` */
  async look(): Promise<void> {
    const { store, logger, provider, subnets } = this.#options;
    const named = namedSubnets(this.#configMaps.cache.values(), this.#podNetworkings.cache.values());
    const missing = named.filter((id) => !subnets.has(id));
    if (missing.length === 0) return;
    for (const { id, zone, cidr, gateway, vlan } of await provider.describeSubnets(missing)) {
      const spec = { zone, cidr, gateway, ...(vlan !== undefined && { vlan }) };
      const { apiVersion, kind } = subnetKind;
      try {
        await store.create(subnetKind, { apiVersion, kind, metadata: { name: id }, spec });
        logger.info({ subnet: id, ...spec }, "a subnet of the provider's is known from now on");
      } catch (error) {
        if (!isError(error, "store.exists")) throw error;
      }
    }
  }

  #soon(): void {
    if (this.#timer || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#looking = this.look().catch((error: unknown) =>
        this.#options.logger.warn({ error: textOf(error) }, "the provider was not asked for subnets"),
      );
    }, GATHER_MS);
    this.#timer.unref();
  }
}
