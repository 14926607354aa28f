// Calico's crd.projectcalico.org/v1 IPPool, read as it stands.
import type { Kind, KubeObject } from "../object.ts";
import type { Condition } from "./core.ts";

export interface IPPool extends KubeObject {
  readonly kind: "IPPool";
  readonly spec: {
    readonly cidr: string;
    /** Prefix length of the blocks that nodes claim: 20–32 (default 26), IPv6 116–128 (default 122). Immutable. */
    readonly blockSize?: number;
    readonly ipipMode?: "Always" | "CrossSubnet" | "Never";
    readonly vxlanMode?: "Always" | "CrossSubnet" | "Never";
    readonly natOutgoing?: boolean;
    readonly disabled?: boolean;
    /** Calico's selector language over node labels; default `all()`. */
    readonly nodeSelector?: string;
    readonly namespaceSelector?: string;
    readonly allowedUses?: readonly ("Workload" | "Tunnel" | "LoadBalancer")[];
    readonly assignmentMode?: "Automatic" | "Manual";
    readonly disableBGPExport?: boolean;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}
export const ipPoolKind: Kind<IPPool> = {
  apiVersion: "crd.projectcalico.org/v1",
  kind: "IPPool",
  plural: "ippools",
  shortNames: ["ipp"],
  namespaced: false,
};

/** Prefix lengths that blocks may have, and the default, by address family. */
export const blockSizeBounds = {
  4: { least: 20, most: 32, usual: 26 },
  6: { least: 116, most: 128, usual: 122 },
} as const;
