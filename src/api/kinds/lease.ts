// Who does something that only one may do at a time: coordination.k8s.io/v1 Lease, as Kubernetes' own leader election
// uses it.
import type { Kind, KubeObject } from "../object.ts";

export interface Lease extends KubeObject {
  readonly kind: "Lease";
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}
export const leaseKind: Kind<Lease> = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  shortNames: [],
  namespaced: true,
};
