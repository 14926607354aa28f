// Takes back the blocks and loans of nodes that are gone. The agents do the rest: each frees its own leaked addresses.
import { type AddressBlock, addressBlockKind } from "../api/kinds/address-block.ts";
import { type Node, nodeKind, podKind } from "../api/kinds/core.ts";
import { isError, textOf } from "../base/errors.ts";
import { type Logger, silent } from "../base/log.ts";
import { ownerGraceMs, ownerMissingSince, withOwnerMissing } from "../ipam/block-object.ts";
import { systemClock } from "../ipam/clock.ts";
import type { Clock } from "../ipam/types.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { type IpamGcAction, planIpamGc } from "./plan-ipam-gc.ts";

export interface IpamCollectorOptions {
  readonly store: Store;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * How long a Node object must be missing, in milliseconds; default a minute. Longer than it takes an agent to hear
   * that its Node is gone: until then it may hand out addresses.
   */
  readonly graceMs?: number;
  /** The longest time between two passes, in milliseconds; default 10 s. One follows at once when a Node is deleted. */
  readonly intervalMs?: number;
}

export class IpamCollector {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #graceMs: number;
  readonly #intervalMs: number;
  /** Owners and borrowers without a Node object, and since when (steady time, ms) we know: a set date changes no grace. */
  readonly #missingSince = new Map<string, number>();
  readonly #closing = new AbortController();
  /** Ends the pause before the next pass. */
  #nap = new AbortController();
  readonly #nodes: Informer<Node>;
  #running: Promise<void> | undefined;

  constructor(options: IpamCollectorOptions) {
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silent;
    this.#graceMs = options.graceMs ?? ownerGraceMs;
    this.#intervalMs = options.intervalMs ?? 10_000;
    this.#nodes = new Informer(options.store, nodeKind, { logger: this.#logger });
  }

  start(): this {
    if (this.#running) return this;
    this.#nodes.on(({ type }) => {
      if (type === "deleted") this.#nap.abort();
    });
    this.#nodes.start();
    this.#running = this.#run();
    return this;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#nap.abort();
    await this.#nodes.stop();
    await this.#running;
  }

  /** Looks once, and acts. Returns what was done. @throws what the store throws */
  async pass(): Promise<readonly IpamGcAction[]> {
    // Blocks first: what they are guarded by is then older than the proof that nobody needs them. A node that comes
    // back writes all its blocks anew before it uses them, and our writes then fail.
    const { items: blocks } = await this.#store.list(addressBlockKind);
    const { items: nodes } = await this.#store.list(nodeKind);
    const gone = this.#gone(blocks, new Set(nodes.map((node) => node.metadata.name)));
    for (const block of blocks) if (!gone.has(block.spec.node)) await this.#mark(block);
    // The usual case, and pods are many.
    if (gone.size === 0) return [];
    const { items: pods } = await this.#store.list(podKind);
    const done: IpamGcAction[] = [];
    for (const action of planIpamGc({ blocks, pods, gone })) if (await this.#act(action)) done.push(action);
    return done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.pass();
      } catch (error) {
        this.#logger.warn({ error: textOf(error) }, "addresses: the collection failed and is tried again");
      }
      await this.#clock.sleep(this.#intervalMs, this.#nap.signal);
      if (!signal.aborted) this.#nap = new AbortController();
    }
  }

  /** Writes into a block that its owner is missing, or no longer is, so that others can tell. */
  async #mark(block: AddressBlock): Promise<void> {
    const since = this.#missingSince.get(block.spec.node);
    const date = since === undefined ? undefined : this.#clock.now() - (this.#clock.steady() - since);
    // Another controller may have begun to miss the owner a moment earlier.
    if ((since === undefined) === (ownerMissingSince(block) === undefined)) return;
    await this.#write(() => this.#store.update(addressBlockKind, withOwnerMissing(block, date)));
  }

  #gone(blocks: readonly AddressBlock[], present: ReadonlySet<string>): ReadonlySet<string> {
    const now = this.#clock.steady();
    const named = blocks.flatMap(({ spec }) => [spec.node, ...(spec.loans ?? []).map((loan) => loan.node)]);
    const missing = new Set(named.filter((node) => !present.has(node)));
    for (const node of this.#missingSince.keys()) if (!missing.has(node)) this.#missingSince.delete(node);
    for (const node of missing) if (!this.#missingSince.has(node)) this.#missingSince.set(node, now);
    return new Set(
      [...this.#missingSince].filter(([, since]) => now - since >= this.#graceMs).map(([node]) => node),
    );
  }

  async #act(action: IpamGcAction): Promise<boolean> {
    const { name, uid, resourceVersion } = action.block.metadata;
    const done = await this.#write(() =>
      action.type === "update"
        ? this.#store.update(addressBlockKind, action.next)
        : this.#store.delete(addressBlockKind, name, undefined, { uid, resourceVersion }),
    );
    if (!done) return false;
    this.#logger.info(
      { block: action.block.spec.cidr, action: action.type, why: action.why },
      "addresses taken back",
    );
    return true;
  }

  /** Settles with false if somebody wrote the block since we looked: the next pass decides on what it is then. */
  async #write(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (isError(error, "store.conflict") || isError(error, "store.not-found")) return false;
      throw error;
    }
  }
}
