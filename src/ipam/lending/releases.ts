// Orders to free an address, written into its block by `trunkline ipam release`: they reach the holder wherever it runs.
import { addressBlockKind } from "../../api/kinds/address-block.ts";
import { isError } from "../../base/errors.ts";
import { isFresh, withoutReleases } from "../block-object.ts";
import type { NodeContext } from "../context.ts";

/** Frees what this node is ordered to, if it is still the allocation that is meant, and takes the orders off. */
export async function obeyReleases(context: NodeContext): Promise<void> {
  const { node, ledger, clock, logger } = context;
  for (const object of context.view.cache.values()) {
    const orders = (object.spec.releases ?? []).filter((order) => order.node === node);
    if (orders.length === 0) continue;
    const now = clock.now();
    const meant = orders.filter(
      (order) => isFresh(order, now) && ledger.holderOf(order.address)?.seq === order.seq,
    );
    for (const { address, at } of orders)
      if (!isFresh({ at }, now))
        logger.warn({ address, at }, "an order to free an address is too old to obey, or a clock is wrong");
    for (const { address, seq } of meant)
      logger.warn({ address, pod: ledger.holderOf(address)?.owner.pod, seq }, "an address is freed by order");
    const at = context.time();
    const records = meant.map(({ seq }) => ({ op: "free" as const, seq, at }));
    if (records.length > 0) await context.commit(records, { sync: true });
    try {
      await context.store.update(addressBlockKind, withoutReleases(object, node));
    } catch (error) {
      // Changed meanwhile: the next pass takes them off; carrying them out twice frees nothing else.
      if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
    }
  }
}
