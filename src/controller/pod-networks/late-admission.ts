// Pods that were made while nobody ran admission: their agent has refused them. They are noted now, where their node's zone
// fits; a pod that has an address already keeps it, and is left alone.

import { withCondition } from "../../api/conditions.ts";
import { type Condition, type Pod, podIps, podKind } from "../../api/kinds/core.ts";
import { stampOf } from "../../base/stamp.ts";
import type { Clock } from "../../ipam/types.ts";
import { admissionOf, admitted, zoneLabel } from "../../plan/subnets/admission.ts";
import { networkReadyCondition, wantsOwnNetwork } from "../../plan/subnets/demand.ts";
import type { Wait } from "../../plan/subnets/pod-eni/words.ts";
import { change } from "../../store/change.ts";
import type { Store } from "../../store/store.ts";
import type { NetworkFacts } from "./facts.ts";

const ATTEMPTS = 5;
const refused = new Set(["AdmissionBypassed", "PodNetworkingNotReady", "ControllerAway", "ZoneMismatch"]);

export class LateAdmission {
  readonly #parts: {
    readonly store: Store;
    readonly facts: NetworkFacts;
    readonly clock: Pick<Clock, "now">;
  };

  constructor(parts: {
    readonly store: Store;
    readonly facts: NetworkFacts;
    readonly clock: Pick<Clock, "now">;
  }) {
    this.#parts = parts;
  }

  /** Returns whether a pod waits on its node because it was not admitted. */
  isMeant(pod: Pod): boolean {
    const before = conditionOf(pod);
    return (
      pod.spec.nodeName !== undefined &&
      !wantsOwnNetwork(pod) &&
      podIps(pod).length === 0 &&
      before?.status === "False" &&
      refused.has(before.reason ?? "")
    );
  }

  /** Admits a pod, if it is meant and may have the network where it is; returns whether it was. */
  async admit(pod: Pod): Promise<boolean> {
    if (!this.isMeant(pod) || pod.metadata.deletionTimestamp !== undefined) return false;
    const { facts } = this.#parts;
    const { namespace = "", name } = pod.metadata;
    const admission = admissionOf(pod, {
      networks: [...facts.networks.cache.values()],
      namespace: facts.namespaces.cache.get(namespace),
      podEni: facts.podEnis.cache.get(`${namespace}/${name}`),
      furtherKinds: facts.furtherKinds,
    });
    if (admission.verdict !== "admit") return false;
    const zone = facts.nodes.cache.get(pod.spec.nodeName ?? "")?.metadata.labels?.[zoneLabel];
    const misfit = admission.zones.find((zones) => !zones.includes(zone ?? ""));
    if (misfit) {
      const where = `zone ${misfit.join(", ")}`;
      const text = `PodNetworking ${admission.network} keeps it in ${where}, and its node ${pod.spec.nodeName} is in ${zone ?? "none"}`;
      await this.say(pod, {
        reason: "ZoneMismatch",
        text: `${text}: delete the pod, so that it is placed anew`,
      });
      return false;
    }
    await this.#change(pod, (now) => ({
      ...now,
      // A placed pod's affinity is no longer anybody's to change.
      metadata: admitted(now, admission).metadata,
    }));
    return true;
  }

  /** Says on a pod without a PodENI what it waits for. */
  async say(pod: Pod, { reason, text }: Wait): Promise<void> {
    await this.#condition(pod, reason, text);
  }

  /** What it waited for has come: its runtime tries a pod again whose object changes. */
  async hurry(pod: Pod): Promise<void> {
    const before = conditionOf(
      this.#parts.facts.pods.cache.get(`${pod.metadata.namespace}/${pod.metadata.name}`) ?? pod,
    );
    if (before?.status === "False")
      await this.#condition(
        pod,
        before.reason ?? "PodENINotReady",
        "its interface is attached, it will be tried again",
      );
  }

  async #condition(pod: Pod, reason: string, text: string): Promise<void> {
    await this.#change(pod, (now) => {
      const before = conditionOf(now);
      const at = stampOf(this.#parts.clock.now());
      const since = before?.status === "False" ? (before.lastTransitionTime ?? at) : at;
      const message = `${text}; it waits since ${since}`;
      if (before?.status === "False" && before.reason === reason && before.message === message)
        return undefined;
      const condition = { type: networkReadyCondition, status: "False", reason, message } as const;
      const conditions = withCondition(now.status?.conditions ?? [], condition, at);
      return { ...now, status: { ...now.status, conditions } };
    });
  }

  async #change({ metadata }: Pod, edit: (now: Pod) => Pod | undefined): Promise<void> {
    await change(this.#parts.store, podKind, metadata, edit, ATTEMPTS);
  }
}

function conditionOf(pod: Pod): Condition | undefined {
  return pod.status?.conditions?.find(({ type }) => type === networkReadyCondition);
}
