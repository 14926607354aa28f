// What is kept of a server's objects, and what many of them have in common, which is one object: by these rules both JSON
// (trim.ts) and Protocol Buffers (wire/pod.ts) are read.
import { deepFreeze } from "../../api/equal.ts";
import { Interned } from "../../base/interned.ts";

/** All; or what a network asks of pods; or that, and of pods that are on other nodes than this one what it asks of those. */
export type Keep = "all" | "network" | { readonly node: string };

export const droppedAnnotations: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
]);

/** Kubernetes' own conditions, which every pod has: they say nothing of its network. */
export const ordinaryConditions: ReadonlySet<string> = new Set([
  "PodScheduled",
  "PodReadyToStartContainers",
  "Initialized",
  "ContainersReady",
  "Ready",
]);

const texts = new Interned<string, string>();
/** Each by itself: those that many kinds of pods have are not to be forgotten for those that differ from pod to pod. */
export const known = {
  labels: new Interned<string, object>(),
  annotations: new Interned<string, object>(),
  owners: new Interned<string, object>(),
  lists: new Interned<string, object>(),
  specs: new Interned<string, object>(),
};

/** Names and words that stand in many objects. */
export function sharedText(text: string): string {
  return texts.get(text, () => text);
}

/** Returns the one value of those that are equal. */
export function shared<T extends object>(value: T, among: Interned<string, object>): T {
  return among.get(JSON.stringify(value), () => deepFreeze(value)) as T;
}

export function isElsewhere(keep: Exclude<Keep, "all">, nodeName: unknown): boolean {
  return typeof keep === "object" && nodeName !== undefined && nodeName !== keep.node;
}
