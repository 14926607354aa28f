// Puts an event on every pool that does not fit in with what else has addresses: other pools, nodes' networks, hosts, Services.
// The API server refuses pools that overlap each other, and cannot know of the rest.
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { type Host, hostKind } from "../api/kinds/host.ts";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import { type ServiceCIDR, serviceCidrKind } from "../api/kinds/service-cidr.ts";
import { checkPools, serviceRangesOf } from "../api/pools.ts";
import type { Logger } from "../base/log.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";

/** Nodes write about themselves all the time: what that changes is looked at together (ms). */
const GATHER_MS = 1000;

/** An informer of any kind. */
interface Followed {
  readonly synced: Promise<void>;
  start(): unknown;
  stop(): Promise<void>;
  on(look: () => void): unknown;
}

/** Runs from start() to stop(). */
export class PoolEvents {
  readonly #pools: Informer<IPPool>;
  readonly #nodes: Informer<Node>;
  readonly #hosts: Informer<Host>;
  readonly #services: Informer<ServiceCIDR>;
  readonly #followed: readonly Followed[];
  readonly #events: EventRecorder;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(store: Store, logger: Logger) {
    this.#pools = new Informer(store, ipPoolKind, { logger });
    this.#nodes = new Informer(store, nodeKind, { logger });
    this.#hosts = new Informer(store, hostKind, { logger });
    // Kubernetes before 1.33 has none.
    this.#services = new Informer(store, serviceCidrKind, { logger, optional: true });
    this.#followed = [this.#pools, this.#nodes, this.#hosts, this.#services];
    this.#events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
  }

  start(): void {
    for (const informer of this.#followed) informer.start();
    // With a part of what there is, a pool would be told a part of what is wrong with it.
    void Promise.all(this.#followed.map(({ synced }) => synced)).then(() => {
      for (const informer of this.#followed) informer.on(() => this.#soon());
      this.#soon();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#followed.map((informer) => informer.stop()));
  }

  #soon(): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, GATHER_MS);
  }

  #look(): void {
    const pools = [...this.#pools.cache.values()];
    const found = checkPools(pools, {
      nodes: this.#nodes.cache.values(),
      hosts: this.#hosts.cache.values(),
      serviceRanges: serviceRangesOf([], this.#services.cache.values()),
      pools: [],
    });
    for (const { apiVersion, kind, metadata } of pools) {
      const { name, uid } = metadata;
      const own = found.filter(({ pool }) => pool === name);
      if (own.length === 0) continue;
      this.#events.record({
        object: { apiVersion, kind, name, uid },
        reason: own.some(({ severity }) => severity === "error") ? "PoolOverlaps" : "PoolTooSmall",
        message: own
          .map(({ message, hint }) => (hint === undefined ? message : `${message}. ${hint}`))
          .join("\n"),
        type: "Warning",
        once: true,
      });
    }
  }
}
