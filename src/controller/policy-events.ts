// Puts an event on every NetworkPolicy that holds something invalid. Agents enforce what is left of it and say so in their
// logs; its owner looks at the object.
import { type NetworkPolicy, networkPolicyKind } from "../api/kinds/network-policy.ts";
import type { Logger } from "../base/log.ts";
import { formatProblem } from "../base/problem.ts";
import { compilePolicy } from "../plan/policy/index.ts";
import { EventRecorder } from "../store/event-recorder.ts";
import { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";

/** Runs from start() to stop(). */
export class PolicyEvents {
  readonly #informer: Informer<NetworkPolicy>;
  readonly #events: EventRecorder;

  constructor(store: Store, logger: Logger) {
    this.#informer = new Informer(store, networkPolicyKind, { logger });
    this.#events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
  }

  start(): void {
    this.#informer.on(({ type, object }) => {
      if (type !== "deleted") this.#look(object);
    });
    this.#informer.start();
  }

  async stop(): Promise<void> {
    await this.#informer.stop();
  }

  #look(policy: NetworkPolicy): void {
    const { problems } = compilePolicy(policy);
    if (problems.length === 0) return;
    const { apiVersion, kind, metadata } = policy;
    const { name, namespace = "default", uid } = metadata;
    this.#events.record({
      object: { apiVersion, kind, name, namespace, uid },
      reason: "InvalidPolicy",
      message: problems.map(formatProblem).join("\n"),
      type: "Warning",
      once: true,
    });
  }
}
