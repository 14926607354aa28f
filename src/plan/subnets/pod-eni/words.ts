// The names by which a PodENI, its pod and its interface know each other, and how a PodENI says what it waits for.
import type { PodENI } from "../../../api/kinds/pod-eni.ts";

/** Keeps a PodENI until its interface is gone at the provider. Terway's. */
export const podEniFinalizer = "network.alibabacloud.com/pod-eni";
/** Label of a PodENI: the node of its pod. Terway's. */
export const nodeLabel = "k8s.aliyun.com/node";
/** Annotation of a node: the id of its trunk interface. Terway's. */
export const trunkAnnotation = "k8s.aliyun.com/trunk-on";
/** Annotation of a PodENI or node: the token of the call that makes its interface, written down before the call is made. */
export const tokenAnnotation = "trunkline.dev/create-token";
/** Annotation of a PodENI: what its network says of the kind of interface, Default, ENI or Trunk. */
export const eniTypeAnnotation = "trunkline.dev/eni-type";

/** Words for what a pod waits for, as they stand in its condition. */
export const waitReasons = [
  "VSwitchExhausted",
  "NodeConfigError",
  "ProviderError",
  "ProviderThrottled",
  "NodeFull",
  "ZoneMismatch",
  "AdmissionBypassed",
  "PodNetworkingNotReady",
  "PodENINotReady",
] as const;

export type WaitReason = (typeof waitReasons)[number];

export interface Wait {
  readonly reason: WaitReason;
  /** For what, and what would help. */
  readonly text: string;
}

/** Returns a PodENI's `msg` of what it waits for; one that says the same already keeps its time. @param at RFC 3339 */
export function waitMessage({ reason, text }: Wait, before: string | undefined, at: string): string {
  const head = `${reason}: ${text}; since `;
  return before?.startsWith(head) ? before : `${head}${at}`;
}

/** Returns the word of a `msg`; undefined if it does not begin with one. */
export function waitReasonOf(msg: string | undefined): WaitReason | undefined {
  const word = msg?.split(":", 1)[0];
  return waitReasons.find((one) => one === word);
}

/** Returns whether a PodENI is held for its name, and not only for the pod that has it now. What is unreadable is held. */
export function isHeld({ spec }: Pick<PodENI, "spec">): boolean {
  return (spec.allocations ?? []).some(
    ({ allocationType }) => (allocationType?.type ?? "Elastic") !== "Elastic",
  );
}
