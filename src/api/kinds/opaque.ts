// Kinds that stand in the same files as those that Trunkline reads: kept as they come, so that one folder of manifests
// can be applied as a whole. Nothing acts on them.
import type { Kind, KubeObject } from "../object.ts";

function opaque(
  apiVersion: string,
  kind: string,
  plural: string,
  namespaced = true,
  ...shortNames: string[]
) {
  return { apiVersion, kind, plural, shortNames, namespaced, inert: true } satisfies Kind<KubeObject>;
}

const rbac = "rbac.authorization.k8s.io/v1";

export const opaqueKinds: readonly Kind[] = [
  opaque("v1", "ServiceAccount", "serviceaccounts", true, "sa"),
  opaque("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, "pvc"),
  opaque("v1", "LimitRange", "limitranges", true, "limits"),
  opaque("v1", "ResourceQuota", "resourcequotas", true, "quota"),
  opaque("networking.k8s.io/v1", "Ingress", "ingresses", true, "ing"),
  opaque("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true, "pdb"),
  opaque("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, "hpa"),
  opaque("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", false, "pc"),
  opaque("storage.k8s.io/v1", "StorageClass", "storageclasses", false, "sc"),
  opaque(rbac, "Role", "roles"),
  opaque(rbac, "RoleBinding", "rolebindings"),
  opaque(rbac, "ClusterRole", "clusterroles", false),
  opaque(rbac, "ClusterRoleBinding", "clusterrolebindings", false),
  opaque("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false, "crd"),
];
