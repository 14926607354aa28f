// Pods that wait for their network say so themselves: a condition with what they wait for, since when and what would help,
// and the same as events. Written behind the answer; the store being away holds up nobody.

import { withCondition } from "../../api/conditions.ts";
import { type Condition, type Pod, podKind } from "../../api/kinds/core.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import { Turns } from "../../base/turns.ts";
import type { PodIdentity } from "../../cni/args.ts";
import { networkReadyCondition } from "../../plan/subnets/demand.ts";
import { waitReasons } from "../../plan/subnets/pod-eni/words.ts";
import { change } from "../../store/change.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";

export interface PodWaitsOptions {
  readonly store: Store;
  readonly events: Pick<EventRecorder, "record">;
  readonly logger: Logger;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>;
  /** Milliseconds since 1970, for stamps. */
  readonly now: () => number;
  /** For how long stop() waits for what is being written, ms; default 5000. */
  readonly patienceMs?: number;
}

const ATTEMPTS = 5;
const PATIENCE_MS = 5000;

export class PodWaits {
  readonly #options: PodWaitsOptions;
  /** Uids of pods that were told to wait. */
  readonly #waiting = new Set<string>();
  readonly #turns = new Turns();
  /** The last that each pod is to say and does not yet. */
  readonly #toSay = new Map<string, object>();
  #stopped = false;

  constructor(options: PodWaitsOptions) {
    this.#options = options;
  }

  /** The pod got no network, or has not yet, for a reason that has a word. */
  failed(pod: PodIdentity, error: unknown): void {
    const reason = reasonOf(error);
    if (reason === undefined) return;
    this.#waiting.add(pod.uid);
    // The controller knows better why there is no PodENI, if it has said so.
    if ((reason === "ControllerAway" || reason === "PodENINotReady") && this.#isExplained(pod)) return;
    const message = textOf(error);
    this.#tell(pod, "AllocIPFailed", `${reason}: ${message}`, "Warning");
    this.#write(pod, { status: "False", reason, message });
  }

  #isExplained({ namespace, name, uid }: PodIdentity): boolean {
    const known = this.#options.pods.get(`${namespace}/${name}`);
    if (known?.metadata.uid !== uid) return false;
    const before = known.status?.conditions?.find(({ type }) => type === networkReadyCondition);
    return (
      before?.status === "False" &&
      waitReasons.some((one) => one === before.reason && one !== "PodENINotReady")
    );
  }

  /** The pod has its network. */
  over(pod: PodIdentity, addresses: readonly string[]): void {
    const known = this.#options.pods.get(`${pod.namespace}/${pod.name}`);
    const before = known?.status?.conditions?.find(({ type }) => type === networkReadyCondition);
    if (!this.#waiting.delete(pod.uid) && before?.status !== "False") return;
    this.#tell(pod, "AllocIPSucceed", `it has ${addresses.join(", ")}`, "Normal");
    this.#write(pod, { status: "True", reason: "Attached", message: `it has ${addresses.join(", ")}` });
  }

  /**
   * What they waited for has come: the runtime of a lab, as a kubelet, tries pods again whose objects change.
   * @param count how many, the oldest first
   */
  hurry(node: string, count: number): void {
    const waiting: { readonly pod: Pod; readonly before: Condition }[] = [];
    for (const pod of this.#options.pods.values()) {
      if (pod.spec.nodeName !== node) continue;
      const before = pod.status?.conditions?.find(({ type }) => type === networkReadyCondition);
      if (before?.status === "False" && before.message?.includes(hurried) !== true)
        waiting.push({ pod, before });
    }
    waiting.sort((a, b) => (a.pod.metadata.creationTimestamp < b.pod.metadata.creationTimestamp ? -1 : 1));
    for (const { pod, before } of waiting.slice(0, count)) {
      const { name, namespace = "default", uid } = pod.metadata;
      const message = `${before.message?.replace(/; it waits since \S+$/, "") ?? ""}${hurried}`;
      this.#write(
        { name, namespace, uid },
        { status: "False", ...(before.reason && { reason: before.reason }), message },
      );
    }
  }

  /** Takes nothing more; settles when what was taken is written, or has had its time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const { patienceMs = PATIENCE_MS, logger } = this.#options;
    if (await this.#turns.settled(patienceMs)) return;
    const left = this.#toSay.size;
    this.#toSay.clear();
    logger.warn({ left, patienceMs }, "conditions of pods are left unwritten");
  }

  #tell(
    { namespace, name, uid }: PodIdentity,
    reason: string,
    message: string,
    type: "Normal" | "Warning",
  ): void {
    const object = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    this.#options.events.record({ object, reason, message, type });
  }

  #write(pod: PodIdentity, condition: Omit<Condition, "type" | "lastTransitionTime">): void {
    if (this.#stopped) return;
    const { store, logger, now } = this.#options;
    const stamp = stampOf(now());
    const key = `${pod.namespace}/${pod.name}/${pod.uid}`;
    this.#toSay.set(key, condition);
    void this.#turns.run(async () => {
      // While the store was away a kubelet may have tried again and again: only the last word is of use.
      if (this.#toSay.get(key) !== condition) return;
      this.#toSay.delete(key);
      try {
        await setPodCondition(store, pod, { type: networkReadyCondition, ...condition }, stamp);
      } catch (error) {
        logger.warn(
          { pod: `${pod.namespace}/${pod.name}`, error: textOf(error) },
          "a pod's condition could not be written",
        );
      }
    });
  }
}

const hurried = "; there is an address now, it will be tried again";

/** Sets a condition of a pod, and says since when it is false; does nothing where it says the same already, or the pod is another one. @throws `store.…` */
export async function setPodCondition(
  store: Store,
  { namespace, name, uid }: PodIdentity,
  condition: Omit<Condition, "lastTransitionTime">,
  stamp: string,
): Promise<void> {
  const ofPod = { name, namespace, ...(uid !== "" && { uid }) };
  const edit = (pod: Pod): Pod | undefined => {
    const all = pod.status?.conditions ?? [];
    const before = all.find(({ type }) => type === condition.type);
    const { status, reason } = condition;
    const since = before?.status === status ? (before.lastTransitionTime ?? stamp) : stamp;
    const message =
      status === "False" ? `${condition.message ?? ""}; it waits since ${since}` : condition.message;
    if (before?.status === status && before.reason === reason && before.message === message) return undefined;
    const fresh = { ...condition, ...(message !== undefined && { message }) };
    return { ...pod, status: { ...pod.status, conditions: withCondition(all, fresh, stamp) } };
  };
  await change(store, podKind, ofPod, edit, ATTEMPTS);
}

/** Returns the word for what a pod waits for; undefined for failures that are not of subnets. */
export function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof TrunklineError)) return undefined;
  if (isError(error, "subnet.exhausted")) return "VSwitchExhausted";
  if (isError(error, "subnet.config")) return "NodeConfigError";
  if (isError(error, "subnet.node-full")) return "NodeFull";
  if (isError(error, "subnet.pod-eni")) return error.data.reason ?? "PodENINotReady";
  if (isError(error, "subnet.bypassed")) return "AdmissionBypassed";
  if (isError(error, "subnet.pod-networking") || isError(error, "subnet.pod-unknown"))
    return "PodNetworkingNotReady";
  if (isError(error, "subnet.provider")) return error.data.throttled ? "ProviderThrottled" : "ProviderError";
  return error.code.startsWith("subnet.") ? "ProviderError" : undefined;
}
