// The shape that every object has, in every store: Kubernetes' own (apiVersion, kind, metadata, spec, status).

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly uid: string;
  /** Opaque; equal texts mean the same version. */
  readonly resourceVersion: string;
  /** Goes up with every change of spec. */
  readonly generation?: number;
  /** RFC 3339, seconds. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly generateName?: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** What a creator hands in: the store fills in uid, resourceVersion, generation and creationTimestamp. */
export type Draft<T extends KubeObject> = Omit<T, "metadata"> & {
  readonly metadata: Pick<ObjectMeta, "name"> & Partial<ObjectMeta>;
};

/** What the tree knows of a kind without loading its schema (schemas pull in a validation library: slow to start). */
export interface Kind<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: T["kind"];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Kept as it comes: nothing acts on objects of this kind. */
  readonly inert?: boolean;
  /** Carries the object's type; never set. */
  readonly type?: T;
}

/** Returns `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOf(object: { readonly metadata: Pick<ObjectMeta, "name" | "namespace"> }): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}
