// What the lab tells about objects: the shape that the agent's recorder of events takes too.
import type { Event, Pod } from "../api/kinds/core.ts";

export interface EventSink {
  record(draft: {
    readonly object: Event["involvedObject"];
    readonly reason: string;
    readonly message: string;
    readonly type: "Normal" | "Warning";
  }): void;
}

/** Whose events these are: a lab's parts sign with the names of those they stand in for. */
export const standIns = { scheduler: "default-scheduler", kubelet: "kubelet" } as const;

/** Returns what an event about a pod refers to. */
export function podReference({ metadata }: Pod): Event["involvedObject"] {
  const { name, namespace = "default", uid } = metadata;
  return { apiVersion: "v1", kind: "Pod", name, namespace, uid };
}
