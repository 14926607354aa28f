// What a node's network configuration is, where it comes from, and since when: published by the node's agent.
import type { Kind, KubeObject } from "../object.ts";

export type NodeConfigFindingCode = "UnknownKey" | "EmptyOverlay" | "SecurityGroupAdded" | "UnusedKey";

/** What is odd about a configuration that is in force. */
export interface NodeConfigFinding {
  readonly code: NodeConfigFindingCode;
  /** Inside `eni_conf`, such as `vswitches.cn-beijing-h[0]`. */
  readonly path: string;
  /** The ConfigMap: `kube-system/eni-config`. */
  readonly source: string;
  /** Inside the text of `eni_conf`, from 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface NodeConfig extends KubeObject {
  readonly kind: "NodeConfig";
  readonly status?: {
    /** Base first, then the overlay. */
    readonly sources?: readonly { readonly configMap: string; readonly resourceVersion: string }[];
    /** Equal hashes mean equal configurations, whatever texts they came from; null, like the next, until one was in force. */
    readonly hash?: string | null;
    /** RFC 3339: when this hash came into force. */
    readonly since?: string | null;
    /** The merged eni_conf, secrets masked. */
    readonly config?: Readonly<Record<string, unknown>> | null;
    readonly zone?: string | null;
    /** Of the node's zone, in the order in which they are tried. */
    readonly vSwitchIDs?: readonly string[];
    /** The union of `security_group` and `security_groups`, sorted. */
    readonly securityGroupIDs?: readonly string[];
    readonly findings?: readonly NodeConfigFinding[];
    /** The node's interfaces that carry pods' addresses, as its agent has them. */
    readonly interfaces?: readonly NodeInterface[];
  };
}

export interface NodeInterface {
  readonly id: string;
  readonly vSwitchID: string;
  readonly securityGroupIDs: readonly string[];
  readonly mac: string;
  /** Hash of the configuration that it was made by. */
  readonly hash: string;
  /** All of its addresses. */
  readonly addresses?: readonly string[];
  /** Addresses that pods have. */
  readonly used: number;
  /** Addresses that wait for pods. */
  readonly idle: number;
}

export const nodeConfigKind: Kind<NodeConfig> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  plural: "nodeconfigs",
  shortNames: [],
  namespaced: false,
};
