// Pods that manifests will lead to: a workload stands for all pods of its template.
import {
  type ContainerPort,
  type Pod,
  type PodSpec,
  type PodTemplate,
  runningContainers,
} from "../../api/kinds/core.ts";
import type { KubeObject } from "../../api/object.ts";

/** Returns the pod template of any workload kind, also of kinds that only look like one; undefined for the rest. */
export function templateOf(object: KubeObject): PodTemplate | undefined {
  const spec: unknown = Reflect.get(object, "spec");
  const outer = object.kind === "CronJob" ? inside(inside(spec, "jobTemplate"), "spec") : spec;
  const template = inside(outer, "template");
  return Array.isArray(inside(inside(template, "spec"), "containers"))
    ? (template as PodTemplate)
    : undefined;
}

function inside(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/**
 * Returns the pod that stands for a workload's pods. It has no address and no node, and its name is
 * `KIND/NAME`, which no real pod can have.
 */
export function standIn(workload: KubeObject, template: PodTemplate, namespace: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${workload.kind.toLowerCase()}/${workload.metadata.name}`,
      namespace,
      uid: workload.metadata.uid,
      resourceVersion: "",
      creationTimestamp: workload.metadata.creationTimestamp,
      labels: { ...automaticLabels(workload), ...template.metadata?.labels },
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
    },
    spec: template.spec,
  };
}

/** Labels that the workload's controller adds, as far as they are known before it runs. */
function automaticLabels(workload: KubeObject): Record<string, string> {
  if (workload.kind !== "Job") return {};
  const { name } = workload.metadata;
  return { "job-name": name, "batch.kubernetes.io/job-name": name };
}

/** Returns whether a pod stands for a workload. */
export function isStandIn(pod: Pod): boolean {
  return pod.metadata.name.includes("/");
}

/** Returns all ports that a pod's running containers declare; protocol filled in. */
export function declaredPorts(spec: PodSpec): (ContainerPort & { protocol: "TCP" | "UDP" | "SCTP" })[] {
  return runningContainers(spec).flatMap((container) =>
    (container.ports ?? []).map((port) => ({ ...port, protocol: port.protocol ?? "TCP" })),
  );
}
