// Says on every SourceNAT object which of its rules and addresses are not in force, as far as objects tell. Agents enforce
// what is left of them; its owner looks at the object.
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { nodeKind } from "../api/kinds/core.ts";
import { hostKind } from "../api/kinds/host.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { type SourceNAT, sourceNatKind } from "../api/kinds/source-nat.ts";
import type { Kind, KubeObject } from "../api/object.ts";
import type { Logger } from "../base/log.ts";
import { formatProblem } from "../base/problem.ts";
import { type ClusterFacts, emptyFacts } from "../plan/facts.ts";
import { readSourceNats } from "../plan/snat/source-nat-rules.ts";
import { setCondition } from "../store/condition.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { Rounds } from "./rounds.ts";

/** Objects seldom change alone. */
const GATHER_MS = 50;

/** Runs from start() to stop(). */
export class SourceNatConditions {
  readonly #store: Store;
  readonly #events: EventRecorder;
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #facts: ClusterFacts;
  /** What each object was told last. */
  readonly #told = new Map<string, string>();
  readonly #rounds: Rounds;
  #synced = false;

  constructor(store: Store, logger: Logger) {
    this.#store = store;
    this.#events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
    this.#rounds = new Rounds({
      look: (signal) => this.#look(signal),
      gatherMs: GATHER_MS,
      logger,
      failure: "conditions of SourceNAT objects could not be written",
    });
    const follow = <T extends KubeObject>(kind: Kind<T>): ReadonlyMap<string, T> => {
      const informer = new Informer<T>(store, kind, { logger });
      informer.on(() => this.#rounds.soon());
      this.#informers.push(informer as unknown as Informer<KubeObject>);
      return informer.cache;
    };
    this.#facts = {
      ...emptyFacts(),
      sourceNats: follow(sourceNatKind),
      nodes: follow(nodeKind),
      pools: follow(ipPoolKind),
      blocks: follow(addressBlockKind),
      hosts: follow(hostKind),
    };
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
    void Promise.all(this.#informers.map(({ synced }) => synced)).then(() => {
      this.#synced = true;
      this.#rounds.soon();
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.map((informer) => informer.stop()), this.#rounds.stop()]);
  }

  async #look(signal: AbortSignal): Promise<void> {
    // What names a pool or a node that is only not read yet is not wrong.
    if (!this.#synced) return;
    const { problems } = readSourceNats(this.#facts);
    for (const name of this.#told.keys()) if (!this.#facts.sourceNats.has(name)) this.#told.delete(name);
    let failed: { readonly error: unknown } | undefined;
    for (const object of this.#facts.sourceNats.values()) {
      if (signal.aborted) return;
      const { name } = object.metadata;
      const own = problems.filter((problem) => problem.object === `SourceNAT/${name}`);
      try {
        await this.#tell(object, own.map(formatProblem).join("\n"));
      } catch (error) {
        // Those behind it are told all the same.
        failed ??= { error };
      }
    }
    if (failed) throw failed.error;
  }

  async #tell(object: SourceNAT, message: string): Promise<void> {
    const { apiVersion, kind, metadata } = object;
    const { name, uid } = metadata;
    const known = object.status?.conditions?.some(({ type }) => type === "Accepted") === true;
    // Most objects never have any: they need no condition.
    if (this.#told.get(name) === message || (message === "" && !known)) return;
    const isBad = message !== "";
    await setCondition(this.#store, sourceNatKind, name, {
      type: "Accepted",
      status: isBad ? "False" : "True",
      reason: isBad ? "NotUsable" : "Usable",
      message,
    });
    if (isBad)
      this.#events.record({
        object: { apiVersion, kind, name, uid },
        reason: "NotUsable",
        message,
        type: "Warning",
        once: true,
      });
    this.#told.set(name, message);
  }
}
