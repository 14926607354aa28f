// What the workload controllers share: whose pod it is, a pod made from a template, and the names and hashes in the
// way that Kubernetes makes them.
import { createHash, randomInt } from "node:crypto";
import { isTerminal, type Pod, type PodTemplate } from "../../api/kinds/core.ts";
import type { Draft, KubeObject, OwnerReference } from "../../api/object.ts";

/** Letters and digits that Kubernetes uses in generated names: no vowels, so no words. */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";

/** Returns a random ending of a generated name. */
export function randomEnding(length = 5): string {
  return Array.from({ length }, () => SAFE[randomInt(SAFE.length)]).join("");
}

/** Returns a short text that is the same for equal templates only (with overwhelming likelihood). */
export function templateHash(template: PodTemplate): string {
  const digest = createHash("sha256")
    .update(JSON.stringify(sorted(template)))
    .digest();
  return Array.from(digest.subarray(0, 10), (byte) => SAFE[byte % SAFE.length]).join("");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** Returns the reference by which a controller owns an object. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  const { name, uid } = metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Returns the uid of an object's controller. */
export function controllerOf(object: KubeObject): string | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller)?.uid;
}

/** Returns the pod that a template describes, under a name, with more labels. */
export function podFromTemplate(
  owner: KubeObject,
  template: PodTemplate,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Draft<Pod> {
  const { namespace = "default" } = owner.metadata;
  const annotations = template.metadata?.annotations;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      labels: { ...template.metadata?.labels, ...labels },
      ...(annotations && { annotations }),
      ownerReferences: [controllerReference(owner)],
    },
    spec: template.spec,
    status: { phase: "Pending" },
  };
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Returns whether a pod counts as one that runs or will: not ended, and not being deleted. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}
