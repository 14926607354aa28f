// What of a server's object is kept. An agent holds every pod of a cluster: what no plan asks for must not stay, and what many
// have in common (labels, containers, the name of their node) is one object. All of it is frozen, so that nobody can tell.
// Written back are differences only (patch.ts), so what is dropped here is not lost there.

import { deepFreeze } from "../../api/equal.ts";
import type { Condition, Pod } from "../../api/kinds/core.ts";
import type { KubeObject, ObjectMeta } from "../../api/object.ts";
import {
  droppedAnnotations,
  isElsewhere,
  type Keep,
  known,
  ordinaryConditions,
  shared,
  sharedText,
} from "./kept.ts";

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

/** Returns what is kept of an object as a server says it, frozen. */
export function trimmed<T extends KubeObject>(object: T, keep: Keep): T {
  const { managedFields: _fields, ...metadata } = object.metadata as T["metadata"] & {
    managedFields?: unknown;
  };
  const { selfLink: _link, ...rest } = metadata as typeof metadata & { selfLink?: unknown };
  if (keep === "all") return deepFreeze({ ...object, metadata: rest });
  if (object.apiVersion === "v1" && object.kind === "Pod")
    return trimmedPod(object as unknown as Pod, rest as ObjectMeta, keep) as unknown as T;
  const { annotations } = rest;
  const small = {
    ...object,
    metadata: { ...rest, ...(annotations && { annotations: keptOf(annotations) }) },
  };
  if (object.kind === "NetworkPolicy") return withSharedSpec(small);
  if (object.apiVersion !== "v1" || object.kind !== "Node") return deepFreeze(small);
  return deepFreeze(trimmedNode(small, isElsewhere(keep, object.metadata.name)));
}

/** The same few policies stand in every namespace of a large cluster. */
function withSharedSpec<T extends KubeObject>(policy: T): T {
  const spec: unknown = Reflect.get(policy, "spec");
  if (typeof spec !== "object" || spec === null) return deepFreeze(policy);
  return deepFreeze({ ...policy, spec: shared(spec, known.specs) });
}

/**
 * Most of what a node says is of its machine: images, sizes, versions. Of another node also what its kubelet says of the
 * machine's pressures, and when it last said so, stands in thousands of nodes and is asked by nobody.
 */
function trimmedNode<T extends KubeObject>(node: T, isBrief: boolean): T {
  const { addresses, conditions } = (Reflect.get(node, "status") ?? {}) as Record<string, unknown>;
  const told =
    isBrief && Array.isArray(conditions)
      ? (conditions as readonly NodeCondition[])
          .filter(({ type }) => !kubeletsOwn.has(type))
          .map(({ lastHeartbeatTime: _heartbeat, ...rest }) => rest)
      : conditions;
  const status = {
    ...(addresses !== undefined && { addresses }),
    ...(told !== undefined && { conditions: told }),
  };
  return { ...node, status };
}

type NodeCondition = Condition & { readonly lastHeartbeatTime?: string };

const kubeletsOwn = new Set(["MemoryPressure", "DiskPressure", "PIDPressure"]);

function trimmedPod(pod: Pod, metadata: ObjectMeta, keep: Exclude<Keep, "all">): Pod {
  const spec = only(pod.spec, keptOfPodSpec);
  const status = trimmedStatus(pod.status, isElsewhere(keep, spec?.["nodeName"]));
  const whole = {
    apiVersion: pod.apiVersion,
    kind: pod.kind,
    metadata: trimmedMeta(metadata),
    spec: spec && trimmedSpec(spec),
    status,
  };
  return Object.freeze(whole) as Pod;
}

function trimmedMeta(metadata: ObjectMeta): ObjectMeta {
  // It grows with the spec, of which little is kept; nothing asks for it.
  const { generation: _generation, ...kept } = metadata;
  const { namespace, generateName, creationTimestamp } = metadata;
  const { labels, annotations, ownerReferences, finalizers } = metadata;
  return Object.freeze({
    ...kept,
    ...(namespace !== undefined && { namespace: sharedText(namespace) }),
    ...(generateName !== undefined && { generateName: sharedText(generateName) }),
    ...(creationTimestamp && { creationTimestamp: sharedText(creationTimestamp) }),
    ...(labels && { labels: shared(labels, known.labels) }),
    ...(annotations && { annotations: shared(keptOf(annotations), known.annotations) }),
    ...(ownerReferences && { ownerReferences: shared(ownerReferences, known.owners) }),
    ...(finalizers && { finalizers: shared(finalizers, known.lists) }),
  });
}

function trimmedSpec(spec: Record<string, unknown>): Pod["spec"] {
  for (const [name, value] of Object.entries(spec)) {
    if (typeof value === "string") spec[name] = sharedText(value);
    else if (Array.isArray(value))
      spec[name] = shared(
        value.map((item) => only(item, keptOfContainers) ?? null),
        known.lists,
      );
    else deepFreeze(value);
  }
  return Object.freeze(spec) as unknown as Pod["spec"];
}

function trimmedStatus(given: Pod["status"], isBrief: boolean): Pod["status"] {
  const status = only(given, keptOfPodStatus) as Record<string, unknown> | undefined;
  if (status === undefined) return undefined;
  const { podIP, podIPs, hostIP, conditions } = status;
  if (typeof hostIP === "string") status["hostIP"] = sharedText(hostIP);
  if (isBrief && Array.isArray(conditions)) {
    const own = (conditions as readonly { readonly type?: string }[]).filter(
      ({ type = "" }) => !ordinaryConditions.has(type),
    );
    if (own.length > 0) status["conditions"] = own;
    else delete status["conditions"];
  }
  // The one address is there already.
  if (isBrief && Array.isArray(podIPs) && podIPs.length === 1 && isOnly(podIPs[0], podIP))
    delete status["podIPs"];
  return deepFreeze({ ...status });
}

function isOnly(entry: unknown, ip: unknown): boolean {
  return (
    typeof entry === "object" && entry !== null && typeof ip === "string" && Reflect.get(entry, "ip") === ip
  );
}

function keptOf(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const name of droppedAnnotations)
    if (Object.hasOwn(annotations, name))
      return Object.fromEntries(Object.entries(annotations).filter(([one]) => !droppedAnnotations.has(one)));
  return annotations;
}

function only(value: unknown, names: ReadonlySet<string>): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value)) if (names.has(name)) out[name] = Reflect.get(value, name);
  return out;
}
