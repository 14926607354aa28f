// Whether an object is ready, and if not, why.
import type { Condition, Pod } from "../../api/kinds/core.ts";
import type { DaemonSet, Job, ReplicaSet } from "../../api/kinds/workloads.ts";
import type { Kind, KubeObject } from "../../api/object.ts";
import { podReady, podStatus } from "./columns.ts";

const workloads = new Set([
  "ReplicationController",
  "ReplicaSet",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "Job",
]);

/** Returns whether objects of that kind can be ready or not. */
export function hasReadiness(kind: Kind): boolean {
  return kind.kind === "Pod" || kind.kind === "Node" || workloads.has(kind.kind);
}

/** Returns why the object is not ready, in a few words, or undefined if it is. */
export function whyNotReady(object: KubeObject): string | undefined {
  if (object.metadata.deletionTimestamp !== undefined) return "it is being deleted";
  if (object.kind === "Pod") return whyPodNotReady(object as Pod);
  if (workloads.has(object.kind)) return whyWorkloadNotReady(object as ReplicaSet | DaemonSet | Job);
  const condition = conditionsOf(object).find((one) => one.type === "Ready");
  return condition?.status === "True" ? undefined : (condition?.message ?? "its condition Ready is not True");
}

/** Returns why that condition of the object is not as wanted, or undefined if it is. */
export function whyNotCondition(object: KubeObject, type: string, status = "True"): string | undefined {
  const wanted = type.toLowerCase();
  const condition = conditionsOf(object).find((one) => one.type.toLowerCase() === wanted);
  // Controllers that count pods and keep no conditions: a workload is available when its pods are ready.
  if (!condition && wanted === "available" && workloads.has(object.kind) && status.toLowerCase() === "true")
    return whyWorkloadNotReady(object as ReplicaSet | DaemonSet | Job);
  return condition?.status.toLowerCase() === status.toLowerCase()
    ? undefined
    : (condition?.message ?? `its condition ${type} is not ${status}`);
}

// Every kind that has conditions keeps them in one place.
function conditionsOf(object: KubeObject): readonly Condition[] {
  const { status } = object as KubeObject & {
    readonly status?: { readonly conditions?: readonly Condition[] };
  };
  return status?.conditions ?? [];
}

function whyPodNotReady(pod: Pod): string | undefined {
  // A pod that has done its work will never be ready, and nobody waits for it.
  if (podReady(pod) || pod.status?.phase === "Succeeded") return undefined;
  const waiting = conditionsOf(pod).find((one) => one.status !== "True" && one.message);
  const status = podStatus(pod);
  const message = pod.status?.message ?? waiting?.message;
  return message ? `${status}: ${message}` : status;
}

function whyWorkloadNotReady(object: ReplicaSet | DaemonSet | Job): string | undefined {
  if (object.kind === "DaemonSet") return whyDaemonsNotReady(object);
  if (object.kind === "Job") return whyJobNotReady(object);
  const { spec, status, metadata } = object;
  const wanted = spec.replicas ?? 1;
  const { replicas = 0, readyReplicas = 0, observedGeneration } = status ?? {};
  if (observedGeneration !== undefined && observedGeneration < (metadata.generation ?? 0))
    return "its latest change has not been acted on";
  if (replicas === wanted && readyReplicas === wanted) return undefined;
  return `${readyReplicas} of ${wanted} pods are ready${replicas > wanted ? `, ${replicas - wanted} too many exist` : ""}`;
}

function whyDaemonsNotReady({ status, metadata }: DaemonSet): string | undefined {
  if (status?.observedGeneration === undefined || status.observedGeneration < (metadata.generation ?? 0))
    return "its latest change has not been acted on";
  const { desiredNumberScheduled: wanted = 0, numberReady = 0, updatedNumberScheduled = 0 } = status;
  if (numberReady < wanted) return `${numberReady} of ${wanted} pods are ready`;
  return updatedNumberScheduled < wanted
    ? `${updatedNumberScheduled} of ${wanted} pods are up to date`
    : undefined;
}

/** A Job that runs or is complete is ready; one that has failed will never be. */
function whyJobNotReady({ spec, status }: Job): string | undefined {
  const end = status?.conditions?.find(({ status: holds }) => holds === "True");
  if (end?.type === "Complete") return undefined;
  if (end?.type === "Failed") return `it has failed: ${end.message ?? end.reason ?? ""}`;
  const { ready = 0, succeeded = 0 } = status ?? {};
  const wanted = spec.suspend === true ? 0 : Math.min(spec.parallelism ?? 1, spec.completions ?? Infinity);
  return ready + succeeded >= wanted ? undefined : `${ready} of ${wanted} pods are ready`;
}
