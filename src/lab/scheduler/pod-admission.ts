// Admission in a lab: what a cluster's webhook does when a pod is created is done here before the pod is placed, with the
// same function. It is taken away with the controller: then pods are placed as they are.

import { baseConfigName, baseConfigNamespace, baseSettings } from "../../api/base-settings.ts";
import { withCondition } from "../../api/conditions.ts";
import { type ConfigMap, configMapKind, namespaceKind, type Pod, podKind } from "../../api/kinds/core.ts";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import { type PodNetworking, podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import { admissionOf, admitted, isAdmitted } from "../../plan/subnets/admission.ts";
import { networkReadyCondition } from "../../plan/subnets/demand.ts";
import { change } from "../../store/change.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { type EventSink, podReference } from "../events.ts";

/** Writes on a pod what admission has found. */
export type Admit = (pod: Pod) => Pod;

export interface PodAdmissionOptions {
  readonly store: Store;
  readonly events: EventSink;
  readonly logger: Logger;
  /** Milliseconds since 1970, for stamps. */
  readonly now: () => number;
  /** Whether somebody serves it. */
  readonly isServed: () => boolean;
}

const asItIs: Admit = (pod) => pod;

export class PodAdmission {
  readonly #options: PodAdmissionOptions;
  readonly #networks: Informer<PodNetworking>;

  constructor(options: PodAdmissionOptions) {
    this.#options = options;
    this.#networks = new Informer(options.store, podNetworkingKind, { logger: options.logger });
  }

  start(): void {
    this.#networks.start();
  }

  stop(): Promise<void> {
    return this.#networks.stop();
  }

  /** Calls when pods that wait may be admitted; returns how to stop it. */
  on(handler: () => void): () => void {
    return this.#networks.on(handler);
  }

  /**
   * Returns what admission makes of pods, as things stand now: nothing for a pod that waits and has been told so.
   * @throws what the store throws
   */
  async now(): Promise<(pod: Pod) => Promise<Admit | undefined>> {
    const { store, isServed } = this.#options;
    if (!isServed()) return async () => asItIs;
    // The store itself is asked: a network that was applied with the pod may not be in any copy yet.
    const networks = (await store.list(podNetworkingKind)).items;
    const base = await store.get(configMapKind, baseConfigName, baseConfigNamespace);
    return (pod) => this.#look(pod, networks, base);
  }

  async #look(
    pod: Pod,
    networks: readonly PodNetworking[],
    base: ConfigMap | undefined,
  ): Promise<Admit | undefined> {
    const { store, events } = this.#options;
    if (isAdmitted(pod)) return asItIs;
    const { name, namespace = "default" } = pod.metadata;
    const podEni = await store.get<PodENI>(podEniKind, name, namespace);
    if (networks.length === 0 && !podEni) return asItIs;
    const admission = admissionOf(pod, {
      networks,
      namespace: await store.get(namespaceKind, namespace),
      podEni,
      furtherKinds: baseSettings(base).furtherKinds,
    });
    for (const { network, owner } of admission.notApplicable) {
      const message = `PodNetworking ${network} has fixed addresses, and pods of ${owner} do not come back under their name: it does not apply`;
      events.record({ object: podReference(pod), reason: "FixedNotApplicable", message, type: "Warning" });
    }
    if (admission.verdict !== "wait") return (one) => admitted(one, admission);
    await this.#tell(pod, admission.message);
    return undefined;
  }

  async #tell(pod: Pod, text: string): Promise<void> {
    const { store, events, now } = this.#options;
    const at = stampOf(now());
    const { name, namespace = "default", uid } = pod.metadata;
    const reason = "PodNetworkingNotReady";
    await change(store, podKind, { name, namespace, uid }, (stored) => {
      const all = stored.status?.conditions ?? [];
      const before = all.find(({ type }) => type === networkReadyCondition);
      const message = `${text}; it waits since ${before?.status === "False" ? (before.lastTransitionTime ?? at) : at}`;
      if (before?.message === message) return undefined;
      events.record({
        object: podReference(pod),
        reason: "AllocIPFailed",
        message: `${reason}: ${message}`,
        type: "Warning",
      });
      const condition = { type: networkReadyCondition, status: "False", reason, message } as const;
      const conditions = withCondition(all, condition, at);
      return { ...stored, status: { phase: "Pending" as const, ...stored.status, conditions } };
    });
  }
}
