// What a node knows of its addresses, for people and for metrics.

import { equalJson } from "../api/equal.ts";
import { type AddressBlock, addressBlockKind } from "../api/kinds/address-block.ts";
import { isError } from "../base/errors.ts";
import type { NodeContext } from "./context.ts";
import { objectOf } from "./own-blocks.ts";

export interface BlockFigures {
  readonly block: string;
  readonly pool: string;
  readonly size: number;
  readonly used: number;
  readonly lent: number;
  readonly free: number;
  readonly cooling: number;
  readonly releasing: boolean;
}

export interface NodeFigures {
  readonly blocks: readonly BlockFigures[];
  /** Addresses of other nodes' blocks. */
  readonly borrowed: number;
  readonly holdings: number;
}

export function figuresOf(context: NodeContext): NodeFigures {
  const { ledger, settings, loans } = context;
  const now = context.time();
  const blocks = [...ledger.blocks.values()].map((block) => ({
    block: block.text,
    pool: block.pool,
    size: block.size,
    ...block.figures(now, settings.cooldownMs),
    releasing: block.releasing,
  }));
  return { blocks, borrowed: loans.size, holdings: ledger.holdings.size };
}

/** Writes the figures of blocks whose figures have changed; `written` keeps when (ms) each was last written. */
export async function writeFigures(context: NodeContext, written: Map<string, number>): Promise<void> {
  const now = context.time();
  for (const block of context.ledger.blocks.values()) {
    const object = objectOf(context, block);
    if (!object || !context.ready.has(block.uid) || block.releasing) continue;
    const { used, lent, free, cooling } = block.figures(now, context.settings.cooldownMs);
    const status = { used: used + lent, free, cooling };
    if (equalJson(status, object.status ?? {})) continue;
    if (now - (written.get(block.uid) ?? Number.NEGATIVE_INFINITY) < context.settings.statusMs) continue;
    written.set(block.uid, now);
    await writeStatus(context, { ...object, status });
  }
}

async function writeStatus(context: NodeContext, object: AddressBlock): Promise<void> {
  try {
    await context.store.update(addressBlockKind, object);
  } catch (error) {
    // Somebody else wrote the block first; figures are a courtesy and come with the next change.
    if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
  }
}
