// Terway's PodENI: the interface and address that a pod has, or that are held for it. Namespace and name are the pod's.
import type { Kind, KubeObject } from "../object.ts";

export interface PodEniAllocation {
  /** As in PodNetworking; any text may stand here, and one that says nothing sensible keeps the address. */
  readonly allocationType?: {
    readonly type?: string;
    readonly releaseStrategy?: string;
    readonly releaseAfter?: string;
  };
  readonly eni: {
    readonly id: string;
    readonly mac?: string;
    readonly zone?: string;
    readonly vSwitchID?: string;
    readonly securityGroupIDs?: readonly string[];
    /** `trunk`: to be a member of the node's trunk interface. */
    readonly attachmentOptions?: { readonly trunk?: boolean };
  };
  readonly ipv4?: string;
  readonly ipv4CIDR?: string;
  readonly ipv6?: string;
  readonly ipv6CIDR?: string;
  /** Name of the interface in the pod; default eth0. */
  readonly interface?: string;
  readonly defaultRoute?: boolean;
}

export type PodEniPhase = "" | "Bind" | "Binding" | "Detaching" | "Unbind" | "Deleting";

export interface PodENI extends KubeObject {
  readonly kind: "PodENI";
  readonly spec: {
    readonly zone?: string;
    readonly allocations?: readonly PodEniAllocation[];
  };
  readonly status?: {
    readonly phase?: PodEniPhase;
    /** The machine that the interface is attached to. */
    readonly instanceID?: string;
    readonly trunkENIID?: string;
    /** What the phase waits for. */
    readonly msg?: string;
    /** RFC 3339: the TTL counts from here. */
    readonly podLastSeen?: string;
    /** By interface id. */
    readonly eniInfos?: Readonly<
      Record<
        string,
        {
          readonly id: string;
          readonly type?: "Secondary" | "Member";
          readonly vid?: number;
          readonly status?: "Bind" | "Unbind";
        }
      >
    >;
  };
}
export const podEniKind: Kind<PodENI> = {
  apiVersion: "network.alibabacloud.com/v1beta1",
  kind: "PodENI",
  plural: "podenis",
  shortNames: [],
  namespaced: true,
};
