// Writes on each pool with a tunnel whether the nodes have it: its owner looks at the pool, and not at every node.
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { poolTunnelCondition } from "../plan/routing/pool-tunnel.ts";
import { setCondition } from "../store/condition.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";

/** Nodes say that their tunnels stand one after the other: they are looked at together (ms). */
const GATHER_MS = 200;
const AGAIN_MS = 2000;

/** Runs from start() to stop(). */
export class PoolTunnels {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #pools: Informer<IPPool>;
  readonly #nodes: Informer<Node>;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(store: Store, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
    this.#pools = new Informer(store, ipPoolKind, { logger });
    this.#nodes = new Informer(store, nodeKind, { logger });
  }

  start(): void {
    for (const informer of [this.#pools, this.#nodes]) {
      informer.on(() => this.#soon(GATHER_MS));
      informer.start();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#pools.stop(), this.#nodes.stop(), this.#round]);
  }

  #soon(ms: number): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#round = this.#round.then(() => this.#look());
    }, ms);
  }

  async #look(): Promise<void> {
    await Promise.all([this.#pools.synced, this.#nodes.synced]);
    for (const pool of this.#pools.cache.values()) {
      if (this.#stopped) return;
      try {
        await this.#tell(pool);
      } catch (error) {
        const facts = { pool: pool.metadata.name, error: textOf(error) };
        this.#logger.warn(facts, "a pool's condition could not be written");
        this.#soon(AGAIN_MS);
      }
    }
  }

  async #tell(pool: IPPool): Promise<void> {
    const wanted = poolTunnelCondition(pool, this.#nodes.cache.values());
    const before = pool.status?.conditions?.find(({ type }) => type === wanted?.type);
    const same = before?.status === wanted?.status && before?.reason === wanted?.reason;
    if (!wanted || (same && before?.message === wanted.message)) return;
    await setCondition(this.#store, ipPoolKind, pool.metadata.name, wanted);
  }
}
