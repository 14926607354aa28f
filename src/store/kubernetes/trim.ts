// What of a server's object is kept. An agent holds every pod of a cluster: what no plan asks for must not stay, and what many
// have in common (labels, containers, the name of their node) is one object. All of it is frozen, so that nobody can tell.
// Written back are differences only (patch.ts), so what is dropped here is not lost there.

import { deepFreeze } from "../../api/equal.ts";
import type { Pod } from "../../api/kinds/core.ts";
import type { KubeObject, ObjectMeta } from "../../api/object.ts";
import { Interned } from "../../base/interned.ts";

/** All; or what a network asks of pods; or that, and of pods that are on other nodes than this one what it asks of those. */
export type Keep = "all" | "network" | { readonly node: string };

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
/** Kubernetes' own conditions, which every pod has: they say nothing of its network. */
const ordinaryConditions = new Set([
  "PodScheduled",
  "PodReadyToStartContainers",
  "Initialized",
  "ContainersReady",
  "Ready",
]);

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
  return deepFreeze(object.apiVersion === "v1" && object.kind === "Node" ? trimmedNode(small) : small);
}

/** The same few policies stand in every namespace of a large cluster. */
function withSharedSpec<T extends KubeObject>(policy: T): T {
  const spec: unknown = Reflect.get(policy, "spec");
  if (typeof spec !== "object" || spec === null) return deepFreeze(policy);
  return deepFreeze({ ...policy, spec: shared(spec, known.specs) });
}

/** A node's list of images alone may be most of what it says. */
function trimmedNode<T extends KubeObject>(node: T): T {
  const status = Object.entries((Reflect.get(node, "status") as object | undefined) ?? {});
  const kept = status.filter(([name]) => !["images", "volumesInUse", "volumesAttached"].includes(name));
  return { ...node, status: Object.fromEntries(kept) };
}

const texts = new Interned<string, string>();
/** Each by itself: those that many kinds of pods have are not to be forgotten for those that differ from pod to pod. */
const known = {
  labels: new Interned<string, object>(),
  annotations: new Interned<string, object>(),
  owners: new Interned<string, object>(),
  lists: new Interned<string, object>(),
  specs: new Interned<string, object>(),
};

/** Names and words that stand in many objects. */
function sharedText(text: string): string {
  return texts.get(text, () => text);
}

/** Returns the one value of those that are equal. */
function shared<T extends object>(value: T, among: Interned<string, object>): T {
  return among.get(JSON.stringify(value), () => deepFreeze(value)) as T;
}

function trimmedPod(pod: Pod, metadata: ObjectMeta, keep: Exclude<Keep, "all">): Pod {
  const spec = only(pod.spec, keptOfPodSpec);
  const nodeName = spec?.["nodeName"];
  const isElsewhere = typeof keep === "object" && nodeName !== undefined && nodeName !== keep.node;
  const status = trimmedStatus(pod.status, isElsewhere);
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
  const { namespace, generateName, creationTimestamp } = metadata;
  const { labels, annotations, ownerReferences, finalizers } = metadata;
  return Object.freeze({
    ...metadata,
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

function trimmedStatus(given: Pod["status"], isElsewhere: boolean): Pod["status"] {
  const status = only(given, keptOfPodStatus) as Record<string, unknown> | undefined;
  if (status === undefined) return undefined;
  const { podIP, podIPs, hostIP, conditions } = status;
  if (typeof hostIP === "string") status["hostIP"] = sharedText(hostIP);
  if (isElsewhere && Array.isArray(conditions)) {
    const own = (conditions as readonly { readonly type?: string }[]).filter(
      ({ type = "" }) => !ordinaryConditions.has(type),
    );
    if (own.length > 0) status["conditions"] = own;
    else delete status["conditions"];
  }
  // The one address is there already.
  if (isElsewhere && Array.isArray(podIPs) && podIPs.length === 1 && isOnly(podIPs[0], podIP))
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
