// Pods that may not stay where they are: their node is gone, or has a taint that drives them away. And events that
// nobody will ask for any more.
import { type Event, eventKind, type Node, type Pod, podKind, type Toleration } from "../api/kinds/core.ts";
import { keyOf } from "../api/object.ts";
import type { Logger } from "../base/log.ts";
import { change } from "../store/change.ts";
import type { Informer } from "../store/informer.ts";
import type { Store } from "../store/store.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { withoutFinalizer } from "./pods/pod-runner.ts";
import { tolerates } from "./scheduler/node-match.ts";

/** How long events are kept, in milliseconds: an API server's default. */
const EVENT_LIFE_MS = 3_600_000;
const EVENT_ROUND_MS = 60_000;

export interface EvictionOptions {
  readonly store: Store;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  /** Nodes whose pods somebody runs, and so can end in order. */
  readonly hasRunner: (node: string) => boolean;
  readonly logger: Logger;
}

/** Returns why a pod must leave its node; undefined if it may stay. */
export function whyEvicted(pod: Pod, node: Node | undefined): "node-gone" | "taint" | undefined {
  if (pod.spec.nodeName === undefined) return undefined;
  if (!node) return "node-gone";
  const tolerations: readonly Toleration[] = pod.spec.tolerations ?? [];
  const drives = (node.spec?.taints ?? []).some(
    (taint) => taint.effect === "NoExecute" && !tolerates(tolerations, taint),
  );
  return drives ? "taint" : undefined;
}

/** Evicts pods and forgets old events until stopped. */
export class Eviction {
  readonly #options: EvictionOptions;
  readonly #queue: KeyedQueue;
  readonly #stops: (() => void)[] = [];

  constructor(options: EvictionOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue({ work: (key) => this.#look(key), logger: options.logger });
  }

  start(): void {
    const { pods, nodes } = this.#options;
    const timer = setInterval(() => this.#queue.add("events"), EVENT_ROUND_MS);
    this.#stops.push(
      () => clearInterval(timer),
      pods.on(({ type, object }) => {
        if (type !== "deleted" && this.#mustLeave(object)) this.#queue.add(`pod ${keyOf(object)}`);
      }),
      nodes.on(({ object }) => {
        for (const [key, pod] of pods.cache) {
          if (pod.spec.nodeName === object.metadata.name && this.#mustLeave(pod))
            this.#queue.add(`pod ${key}`);
        }
      }),
    );
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await this.#queue.stop();
  }

  #mustLeave(pod: Pod): boolean {
    return whyEvicted(pod, this.#options.nodes.cache.get(pod.spec.nodeName ?? "")) !== undefined;
  }

  async #look(key: string): Promise<void> {
    if (key === "events") return this.#forgetEvents();
    const pod = this.#options.pods.cache.get(key.slice("pod ".length));
    this.#queue.forget(key);
    if (!pod || !this.#mustLeave(pod)) return;
    const { store, hasRunner, logger } = this.#options;
    const { name, namespace = "default", uid, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp === undefined) {
      logger.info({ pod: keyOf(pod), node: pod.spec.nodeName }, "the pod may not stay on its node");
      await store.delete(podKind, name, namespace, { uid });
    }
    if (!hasRunner(pod.spec.nodeName ?? ""))
      await change(store, podKind, { name, namespace, uid }, withoutFinalizer);
  }

  async #forgetEvents(): Promise<void> {
    const { store } = this.#options;
    const before = Date.now() - EVENT_LIFE_MS;
    for (const event of (await store.list(eventKind)).items.filter((one) => lastSeen(one) < before)) {
      await store.delete(eventKind, event.metadata.name, event.metadata.namespace);
    }
  }
}

function lastSeen(event: Event): number {
  return Date.parse(event.lastTimestamp ?? event.metadata.creationTimestamp);
}
