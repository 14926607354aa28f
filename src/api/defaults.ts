// What the API server fills in for a writer. Where the API's meaning of an absent field is plain to every reader (a
// policy's policyTypes, a port's protocol), it stays absent, so that a later apply means what it says.
import type { PodNetworking } from "./kinds/pod-networking.ts";
import type { Secret } from "./kinds/secret.ts";
import type { Draft, Kind, KubeObject } from "./object.ts";
import { withoutZeros } from "./validation/shape.ts";

/** The label that carries a namespace's name, for selectors. */
const namespaceNameLabel = "kubernetes.io/metadata.name";
/** Holds a namespace until everything in it is gone. */
export const namespaceFinalizer = "trunkline.dev/namespace-contents";
/**
 * Namespaces that nobody may delete. Kubernetes refuses the first three (admission plugin NamespaceLifecycle) and makes
 * the fourth anew; here it is refused as well.
 */
export const immortalNamespaces: ReadonlySet<string> = new Set([
  "default",
  "kube-system",
  "kube-public",
  "kube-node-lease",
]);

const replicated = new Set(["ReplicationController", "ReplicaSet", "Deployment", "StatefulSet"]);

/**
 * Returns what a server makes of what was written before any rule is asked: without what it cannot tell from nothing. A
 * NetworkPolicy without a spec has an empty one, and so isolates its namespace.
 */
export function asServed<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Draft<T> {
  const kept = withoutZeros(kind, draft);
  return kind.kind === "NetworkPolicy" && Reflect.get(kept, "spec") === undefined
    ? { ...kept, spec: { podSelector: {} } }
    : kept;
}

/** Returns the draft as served, with what its kind has by default. */
export function withDefaults<T extends KubeObject>(kind: Kind<T>, written: Draft<T>): Draft<T> {
  const draft = asServed(kind, written);
  if (kind.kind === "Namespace") return namespaceDefaults(draft);
  if (kind.kind === "PodNetworking")
    return podNetworkingDefaults(draft as unknown as Draft<PodNetworking>) as unknown as Draft<T>;
  if (kind.kind === "Secret") return secretDefaults(draft);
  if (!replicated.has(kind.kind)) return draft;
  const spec = Reflect.get(draft, "spec") as WorkloadSpec;
  const filled: WorkloadSpec = { ...spec, replicas: spec.replicas ?? 1 };
  const labels = spec.template?.metadata?.labels;
  if (kind.kind !== "ReplicationController" || !labels) return { ...draft, spec: filled };
  const metadata = { ...draft.metadata, labels: draft.metadata.labels ?? labels };
  return { ...draft, metadata, spec: { ...filled, selector: filled.selector ?? labels } };
}

interface WorkloadSpec {
  readonly replicas?: number;
  readonly selector?: unknown;
  readonly template?: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } };
}

/** What was written as plain text is kept as data, and goes over what stood there. */
function secretDefaults<T extends KubeObject>(draft: Draft<T>): Draft<T> {
  const { stringData, ...rest } = draft as Draft<T> & Pick<Secret, "data" | "stringData">;
  if (!stringData) return draft;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(value).toString("base64"),
  ]);
  return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } } as unknown as Draft<T>;
}

function namespaceDefaults<T extends KubeObject>(draft: Draft<T>): Draft<T> {
  const { name, labels, finalizers = [] } = draft.metadata;
  const metadata = {
    ...draft.metadata,
    labels: { ...labels, [namespaceNameLabel]: name },
    finalizers: [...new Set([...finalizers, namespaceFinalizer])],
  };
  // The state of one that is there already is not the writer's to set back.
  const status = { phase: "Active", ...(Reflect.get(draft, "status") as object | undefined) };
  return { ...draft, metadata, status };
}

/** What absent fields mean, written down; a Fixed address without a strategy is one that Terway never releases. */
function podNetworkingDefaults(draft: Draft<PodNetworking>): Draft<PodNetworking> {
  const { eniOptions, allocationType, vSwitchSelectOptions, ...rest } = draft.spec;
  const type = allocationType?.type ?? "Elastic";
  const strategy = type === "Fixed" ? { releaseStrategy: "Never" as const } : {};
  const spec: PodNetworking["spec"] = {
    ...rest,
    eniOptions: { eniType: "Default", ...eniOptions },
    allocationType: { ...strategy, ...allocationType, type },
    vSwitchSelectOptions: { vSwitchSelectionPolicy: "ordered", ...vSwitchSelectOptions },
  };
  return { ...draft, spec };
}

/** Returns an object whose deletion has begun: a namespace says so in its phase. */
export function terminating<T extends KubeObject>(kind: Kind<T>, object: T): T {
  if (kind.kind !== "Namespace") return object;
  const status = { ...(Reflect.get(object, "status") as object | undefined), phase: "Terminating" };
  return { ...object, status };
}
