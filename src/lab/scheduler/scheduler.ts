// Assigns pods to nodes. It watches pods and nodes, places every waiting pod, and writes the node's name into it.

import { withCondition } from "../../api/conditions.ts";
import { isTerminal, type Node, type Pod, podKind } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import type { Logger } from "../../base/log.ts";
import { change } from "../../store/change.ts";
import type { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { breathe } from "../breathe.ts";
import { type EventSink, podReference } from "../events.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { withFinalizer } from "../pods/pod-runner.ts";
import { hostPortsOf, type NodeLoad, type Placement, place } from "./place.ts";
import type { Admit, PodAdmission } from "./pod-admission.ts";

const ROUND = "round";

export interface SchedulerOptions {
  readonly store: Store;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly events: EventSink;
  readonly logger: Logger;
  /** Runs on every pod before it is placed. */
  readonly admission: PodAdmission;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue: KeyedQueue;
  readonly #stops: (() => void)[] = [];
  /** Pods that were assigned and whose object does not say so here yet, by uid. */
  readonly #assumed = new Map<string, string>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue({ work: () => this.#round(), restMs: 5, logger: options.logger });
  }

  start(): void {
    const { pods, nodes } = this.#options;
    this.#stops.push(
      pods.on(({ type, object, previous }) => {
        if (type === "deleted" || object.spec.nodeName !== undefined)
          this.#assumed.delete(object.metadata.uid);
        // A pod that ended or went away may make room for another one.
        const frees = type === "deleted" || (previous && isTerminal(object) && !isTerminal(previous));
        if (frees || isWaiting(object)) this.#queue.add(ROUND);
      }),
      nodes.on(() => this.#queue.add(ROUND)),
      this.#options.admission.on(() => this.#queue.add(ROUND)),
    );
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await this.#queue.stop();
  }

  async #round(): Promise<void> {
    const waiting = [...this.#options.pods.cache.values()]
      .filter((pod) => isWaiting(pod) && !this.#assumed.has(pod.metadata.uid))
      .toSorted(byAge);
    if (waiting.length === 0) return;
    const loads = this.#loads();
    const admission = await this.#options.admission.now();
    for (const [at, pod] of waiting.entries()) {
      const admit = await admission(pod);
      if (!admit) continue;
      const placement = place(admit(pod), [...loads.values()]);
      await this.#write(pod, placement, admit);
      if ("node" in placement) count(loads, placement.node, pod);
      await breathe(at);
    }
  }

  async #write(pod: Pod, placement: Placement, admit: Admit): Promise<void> {
    const { store, events } = this.#options;
    const { name, uid, namespace = "default" } = pod.metadata;
    if ("unschedulable" in placement) {
      const message = placement.unschedulable;
      if (reasonOf(pod) === message) return;
      events.record({ object: podReference(pod), reason: "FailedScheduling", message, type: "Warning" });
    } else {
      this.#assumed.set(uid, placement.node);
    }
    const at = `${new Date().toISOString().slice(0, 19)}Z`;
    await change(store, podKind, { name, uid, namespace }, (stored) =>
      stored.spec.nodeName === undefined ? placed(admit(stored), placement, at) : undefined,
    );
  }

  #loads(): Map<string, NodeLoad> {
    const { pods, nodes } = this.#options;
    const loads = new Map<string, NodeLoad>();
    for (const node of nodes.cache.values()) {
      if (node.metadata.deletionTimestamp !== undefined) continue;
      loads.set(node.metadata.name, { node, pods: 0, byOwner: new Map(), hostPorts: new Set() });
    }
    for (const pod of pods.cache.values()) {
      const name = pod.spec.nodeName ?? this.#assumed.get(pod.metadata.uid);
      if (name !== undefined && !isTerminal(pod)) count(loads, name, pod);
    }
    return loads;
  }
}

function isWaiting(pod: Pod): boolean {
  return pod.spec.nodeName === undefined && pod.metadata.deletionTimestamp === undefined && !isTerminal(pod);
}

function byAge(a: Pod, b: Pod): number {
  const [left, right] = [a, b].map((pod) => `${pod.metadata.creationTimestamp} ${keyOf(pod)}`) as [
    string,
    string,
  ];
  return left < right ? -1 : 1;
}

function count(loads: Map<string, NodeLoad>, node: string, pod: Pod): void {
  const load = loads.get(node);
  if (!load) return;
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller)?.uid;
  const byOwner =
    owner === undefined ? load.byOwner : new Map(load.byOwner).set(owner, (load.byOwner.get(owner) ?? 0) + 1);
  const hostPorts = new Set([...load.hostPorts, ...hostPortsOf(pod.spec)]);
  loads.set(node, { ...load, pods: load.pods + 1, byOwner, hostPorts });
}

function placed(pod: Pod, placement: Placement, at: string): Pod {
  const conditions = pod.status?.conditions ?? [];
  const status = { phase: "Pending" as const, ...pod.status };
  if ("node" in placement) {
    const assigned = { ...pod, spec: { ...pod.spec, nodeName: placement.node } };
    return {
      ...(withFinalizer(assigned) ?? assigned),
      status: {
        ...status,
        conditions: withCondition(conditions, { type: "PodScheduled", status: "True" }, at),
      },
    };
  }
  const condition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message: placement.unschedulable,
  } as const;
  return { ...pod, status: { ...status, conditions: withCondition(conditions, condition, at) } };
}

function reasonOf(pod: Pod): string | undefined {
  return pod.status?.conditions?.find(({ type }) => type === "PodScheduled")?.message;
}
