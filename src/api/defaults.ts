// What the API server fills in for a writer. Where the API's meaning of an absent field is plain to every reader (a
// policy's policyTypes, a port's protocol), it stays absent, so that a later apply means what it says.
import type { Draft, Kind, KubeObject } from "./object.ts";

/** The label that carries a namespace's name, for selectors. */
const namespaceNameLabel = "kubernetes.io/metadata.name";
/** Holds a namespace until everything in it is gone. */
export const namespaceFinalizer = "trunkline.dev/namespace-contents";

const replicated = new Set(["ReplicationController", "ReplicaSet", "Deployment", "StatefulSet"]);

/** Returns the draft with what its kind has by default. */
export function withDefaults<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Draft<T> {
  if (kind.kind === "Namespace") return namespaceDefaults(draft);
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

function namespaceDefaults<T extends KubeObject>(draft: Draft<T>): Draft<T> {
  const { name, labels, finalizers = [] } = draft.metadata;
  const metadata = {
    ...draft.metadata,
    labels: { ...labels, [namespaceNameLabel]: name },
    finalizers: [...new Set([...finalizers, namespaceFinalizer])],
  };
  return { ...draft, metadata };
}
