// What a cluster waits for before it sends pods to a node, said on the Node object once the agent can serve them, and again
// whenever somebody undoes it: the condition NetworkUnavailable (a cloud's route controller sets it to True; what
// tolerates nothing waits for the taint that follows from it), and a taint that whoever made the node gave it.
import { type Node, nodeKind } from "../api/kinds/core.ts";
import { textOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import { change } from "../store/change.ts";
import { setCondition } from "../store/condition.ts";
import type { Store } from "../store/store.ts";

const RETRIES = 4;
const RETRY_MS = 5000;
/** For how long stop() waits for a write that is under way, ms. */
const PATIENCE_MS = 5000;

export interface NodeSetupOptions {
  readonly node: string;
  readonly store: Store;
  readonly logger: Logger;
  /** Key of the taint that is taken away; undefined: none is. */
  readonly startupTaint: string | undefined;
}

export class NodeSetup {
  readonly #options: NodeSetupOptions;
  #ready = false;
  #stopped = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #turns = new Turns();

  constructor(options: NodeSetupOptions) {
    this.#options = options;
  }

  /** The agent serves pods. A later failure of its own is no reason to send pods away that run. */
  ready(node: Node | undefined): void {
    this.#ready = true;
    this.look(node);
  }

  /** The Node object, as it is now: writes only where something is to be said. */
  look(node: Node | undefined): void {
    if (!this.#ready || this.#stopped || node === undefined) return;
    const { startupTaint } = this.#options;
    if (!saysUnavailable(node) && !isTainted(node, startupTaint)) return;
    this.#writeInTurn();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.#turns.settled(PATIENCE_MS);
  }

  #writeInTurn(): void {
    // A write that fails is noted within its own turn: whoever waits for the end finds that noted as well.
    void this.#turns.run(() => this.#write().catch((error: unknown) => this.#again(error)));
  }

  async #write(): Promise<void> {
    if (this.#stopped) return;
    const { store, node, startupTaint, logger } = this.#options;
    await setCondition(store, nodeKind, node, {
      type: "NetworkUnavailable",
      status: "False",
      reason: "TrunklineIsReady",
      message: "pods on this node are given addresses and rules",
    });
    // After the condition: whoever waits for the taint finds the rest done.
    if (startupTaint !== undefined && (await removeTaint(store, node, startupTaint)))
      logger.info({ taint: startupTaint }, "the node is open for pods");
  }

  #again(error: unknown): void {
    this.#options.logger.warn({ error: textOf(error) }, "the node cannot be said to be ready; trying again");
    if (this.#stopped) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#writeInTurn(), RETRY_MS);
    this.#retry.unref();
  }
}

function saysUnavailable(node: Node): boolean {
  return node.status?.conditions?.find(({ type }) => type === "NetworkUnavailable")?.status !== "False";
}

function isTainted(node: Node, key: string | undefined): boolean {
  return key !== undefined && (node.spec?.taints ?? []).some((taint) => taint.key === key);
}

/** Takes all taints of that key off a node; settles with whether there was one. */
async function removeTaint(store: Store, name: string, key: string): Promise<boolean> {
  let wasTainted = false;
  const edit = (node: Node): Node | undefined => {
    wasTainted = isTainted(node, key);
    if (!wasTainted) return undefined;
    const taints = (node.spec?.taints ?? []).filter((taint) => taint.key !== key);
    const { taints: _before, ...spec } = node.spec ?? {};
    return { ...node, spec: taints.length === 0 ? spec : { ...spec, taints } };
  };
  return (await change(store, nodeKind, { name }, edit, RETRIES)) !== undefined && wasTainted;
}
