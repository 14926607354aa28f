// What of a server's object is kept. An agent holds every pod of a cluster: what no plan asks for must not stay.
// Written back are differences only (patch.ts), so what is dropped here is not lost there.
import type { KubeObject } from "../../api/object.ts";

const droppedAnnotations = new Set(["kubectl.kubernetes.io/last-applied-configuration"]);
/** Of a pod's containers only what says which ports they have, and what their probes are. */
const keptOfContainers = new Set(["name", "image", "ports", "restartPolicy"]);
const keptOfPodSpec = new Set([
  "nodeName",
  "hostNetwork",
  "containers",
  "initContainers",
  "serviceAccountName",
  "nodeSelector",
  "restartPolicy",
  "schedulerName",
]);
const keptOfPodStatus = new Set(["phase", "podIP", "podIPs", "hostIP", "conditions", "reason"]);

/** Which of its kind's fields an object keeps in memory: all, or what a pod network asks of pods. */
export function trimmed<T extends KubeObject>(object: T, keep: "all" | "network"): T {
  const { managedFields: _fields, ...metadata } = object.metadata as T["metadata"] & {
    managedFields?: unknown;
  };
  const { selfLink: _link, ...rest } = metadata as typeof metadata & { selfLink?: unknown };
  if (keep === "all") return { ...object, metadata: rest };
  const annotations = Object.entries(rest.annotations ?? {}).filter(
    ([name]) => !droppedAnnotations.has(name),
  );
  const small = {
    ...object,
    metadata: { ...rest, ...(rest.annotations && { annotations: Object.fromEntries(annotations) }) },
  };
  if (object.apiVersion !== "v1") return small;
  return object.kind === "Pod" ? trimmedPod(small) : object.kind === "Node" ? trimmedNode(small) : small;
}

/** A node's list of images alone may be most of what it says. */
function trimmedNode<T extends KubeObject>(node: T): T {
  const status = Object.entries((Reflect.get(node, "status") as object | undefined) ?? {});
  const kept = status.filter(([name]) => !["images", "volumesInUse", "volumesAttached"].includes(name));
  return { ...node, status: Object.fromEntries(kept) };
}

function trimmedPod<T extends KubeObject>(pod: T): T {
  const spec = only(Reflect.get(pod, "spec"), keptOfPodSpec);
  for (const list of ["containers", "initContainers"]) {
    const items: unknown = spec?.[list];
    if (Array.isArray(items)) spec![list] = items.map((item) => only(item, keptOfContainers));
  }
  return { ...pod, spec, status: only(Reflect.get(pod, "status"), keptOfPodStatus) };
}

function only(value: unknown, names: ReadonlySet<string>): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([name]) => names.has(name)));
}
