// Writes on each pool with a tunnel whether the nodes have it: its owner looks at the pool, and not at every node.
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { type IPPool, ipPoolKind } from "../api/kinds/ip-pool.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { poolTunnelCondition } from "../plan/routing/pool-tunnel.ts";
import { setCondition } from "../store/condition.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { Rounds } from "./rounds.ts";

/** Nodes say that their tunnels stand one after the other: they are looked at together (ms). */
const GATHER_MS = 200;

/** Runs from start() to stop(). */
export class PoolTunnels {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #pools: Informer<IPPool>;
  readonly #nodes: Informer<Node>;
  readonly #rounds: Rounds;
  #synced = false;

  constructor(store: Store, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
    this.#pools = new Informer(store, ipPoolKind, { logger });
    this.#nodes = new Informer(store, nodeKind, { logger });
    const failure = "conditions of pools could not be written";
    this.#rounds = new Rounds({ look: (signal) => this.#look(signal), gatherMs: GATHER_MS, logger, failure });
  }

  start(): void {
    const informers = [this.#pools, this.#nodes];
    for (const informer of informers) {
      informer.on(() => this.#rounds.soon());
      informer.start();
    }
    void Promise.all(informers.map(({ synced }) => synced)).then(() => {
      this.#synced = true;
      this.#rounds.soon();
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#pools.stop(), this.#nodes.stop(), this.#rounds.stop()]);
  }

  /** Looks at every pool, also behind one that cannot be written. */
  async #look(signal: AbortSignal): Promise<void> {
    // Not waited for here: where the server never answers, nothing would end that.
    if (!this.#synced) return;
    let failed: { readonly error: unknown } | undefined;
    for (const pool of this.#pools.cache.values()) {
      if (signal.aborted) return;
      try {
        await this.#tell(pool);
      } catch (error) {
        const facts = { pool: pool.metadata.name, error: textOf(error) };
        this.#logger.info(facts, "a pool's condition could not be written");
        failed ??= { error };
      }
    }
    if (failed) throw failed.error;
  }

  async #tell(pool: IPPool): Promise<void> {
    const wanted = poolTunnelCondition(pool, this.#nodes.cache.values());
    const before = pool.status?.conditions?.find(({ type }) => type === wanted?.type);
    const same = before?.status === wanted?.status && before?.reason === wanted?.reason;
    if (!wanted || (same && before?.message === wanted.message)) return;
    await setCondition(this.#store, ipPoolKind, pool.metadata.name, wanted);
  }
}
