// Refused packets of many nodes, followed while somebody looks: each agent is asked for what came since.

import type { BookedRefusal } from "../agent/denied/refusal-book.ts";
import type { DeniedAnswer } from "../agent/denied/refusal-log.ts";
import { textOf } from "../base/errors.ts";
import type { RefusedAnswer, RefusedPackets } from "./api.ts";

/** How soon a packet is shown after the agent knows of it, ms. */
const LOOK_MS = 300;
/** An entry that is open counts on for a minute; so far back is looked again. */
const AGAIN = 50;

/** Asks one node's agent with that query. */
export type AskNode = (query: string) => Promise<DeniedAnswer>;

export class RefusalWatch {
  readonly #nodes: () => ReadonlyMap<string, AskNode>;
  readonly #listeners = new Set<(answer: RefusedAnswer) => void>();
  /** By id, what was told of it last. */
  readonly #told = new Map<string, string>();
  readonly #last = new Map<string, { readonly started: string; readonly last: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(nodes: () => ReadonlyMap<string, AskNode>) {
    this.#nodes = nodes;
  }

  /** Returns all that agents remember. */
  async all(): Promise<RefusedAnswer> {
    return this.#ask(() => 0, false);
  }

  /** Tells of entries that are new or have counted on. Returns how to stop. */
  on(listener: (answer: RefusedAnswer) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) void this.#look();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#told.clear();
      this.#last.clear();
    };
  }

  async #look(): Promise<void> {
    const answer = await this.#ask((node) => Math.max(0, (this.#last.get(node)?.last ?? 0) - AGAIN));
    const fresh = answer.refusals.filter(({ id, packets, last }) => {
      const now = `${packets} ${last}`;
      const isNew = this.#told.get(id) !== now;
      this.#told.set(id, now);
      return isNew;
    });
    // Only what may still count on is needed.
    for (const id of this.#told.keys()) {
      if (this.#told.size <= 5000) break;
      this.#told.delete(id);
    }
    if (this.#listeners.size === 0) return;
    const told = { refusals: fresh, silent: answer.silent };
    if (fresh.length > 0 || answer.silent.length > 0) for (const listener of this.#listeners) listener(told);
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS);
  }

  async #ask(after: (node: string) => number, isFollowed = true): Promise<RefusedAnswer> {
    const silent: { node: string; why: string }[] = [];
    const found = await Promise.all(
      [...this.#nodes()].map(async ([node, ask]) => {
        try {
          const answer = await ask(`after=${after(node)}`);
          if (answer.deaf !== null) silent.push({ node, why: answer.deaf });
          const { started, last } = answer;
          // The agent began anew, and with it its numbers.
          const isAnew = (this.#last.get(node)?.started ?? started) !== started;
          if (isFollowed) this.#last.set(node, { started, last: isAnew ? 0 : last });
          return answer.refusals.map((refusal) => packetsOf(refusal, started));
        } catch (error) {
          silent.push({ node, why: textOf(error) });
          return [];
        }
      }),
    );
    const refusals = found.flat().toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
    return { refusals, silent: silent.toSorted((a, b) => (a.node < b.node ? -1 : 1)) };
  }
}

function packetsOf({ number, by, ...refusal }: BookedRefusal, started: string): RefusedPackets {
  const { first, last, packets, node, direction, from, to, port, reason, help } = refusal;
  const isPolicy = by.kind === "policy" || by.kind === "staged";
  return {
    id: `${node} ${started} ${number}`,
    first,
    last,
    packets,
    node,
    direction,
    from,
    to,
    port,
    by: isPolicy ? by.kind : `${by.kind} (${by.site})`,
    policies: by.policies,
    reason,
    help,
  };
}
