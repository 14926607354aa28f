// Calico's BGPConfiguration, BGPPeer and BGPFilter, read as they stand: crd.projectcalico.org/v1, which calicoctl and
// projectcalico.org/v3 spell the same.
import type { Kind, KubeObject } from "../../object.ts";
import type { Condition } from "../core.ts";

const apiVersion = "crd.projectcalico.org/v1";

/** A number, or `"1.10"`: the upper and the lower 16 bits (RFC 5396, asdot+). */
export type AsNumber = number | string;

/** Where a password stands: a key of a Secret in kube-system. */
export interface SecretReference {
  readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
}

export interface CidrEntry {
  readonly cidr: string;
}

export interface BGPConfiguration extends KubeObject {
  readonly kind: "BGPConfiguration";
  readonly spec: {
    /** Default true. */
    readonly nodeToNodeMeshEnabled?: boolean;
    /** Default 64512. */
    readonly asNumber?: AsNumber;
    /** Default 179. */
    readonly listenPort?: number;
    readonly communities?: readonly { readonly name: string; readonly value: string }[];
    readonly prefixAdvertisements?: readonly {
      readonly cidr: string;
      /** Values, or names of `communities`. */
      readonly communities?: readonly string[];
    }[];
    readonly nodeMeshPassword?: SecretReference;
    /** Go duration: how long neighbours keep the routes of a node that restarts; default 120s. */
    readonly nodeMeshMaxRestartTime?: string;
    readonly serviceClusterIPs?: readonly CidrEntry[];
    readonly serviceExternalIPs?: readonly CidrEntry[];
    readonly serviceLoadBalancerIPs?: readonly CidrEntry[];
    /** Names of interfaces, with `*`, whose networks BIRD is not told of. */
    readonly ignoredInterfaces?: readonly string[];
    /** NodeIP: BIRD listens on the node's address only. */
    readonly bindMode?: "None" | "NodeIP";
  };
}
export const bgpConfigurationKind: Kind<BGPConfiguration> = {
  apiVersion,
  kind: "BGPConfiguration",
  plural: "bgpconfigurations",
  shortNames: ["bgpconfig"],
  namespaced: false,
};

export interface BGPPeer extends KubeObject {
  readonly kind: "BGPPeer";
  readonly spec: {
    /** Name of the one node that peers; neither this nor `nodeSelector`: all nodes. */
    readonly node?: string;
    readonly nodeSelector?: string;
    /** `A`, `A:PORT`, `[A6]:PORT` */
    readonly peerIP?: string;
    readonly asNumber?: AsNumber;
    /** Instead of `peerIP`: the nodes that are peered with. */
    readonly peerSelector?: string;
    readonly localASNumber?: AsNumber;
    readonly nextHopMode?: "Auto" | "Self" | "Keep";
    /** The older word for nextHopMode Keep. */
    readonly keepOriginalNextHop?: boolean;
    readonly password?: SecretReference;
    /** Go duration. */
    readonly maxRestartTime?: string;
    readonly numAllowedLocalASNumbers?: number;
    /** Number of hops to the peer: packets from farther away are not taken (GTSM, RFC 5082). */
    readonly ttlSecurity?: number;
    readonly sourceAddress?: "UseNodeIP" | "None";
    /** Names of BGPFilters, in order. */
    readonly filters?: readonly string[];
    /** Gateway that leads to `peerIP`. */
    readonly reachableBy?: string;
    /** Auto (default): where the peer is a node, it peers back. */
    readonly reversePeering?: "Auto" | "Manual";
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    /** As `trunkline route sessions` prints them. */
    readonly sessions?: readonly Readonly<Record<string, unknown>>[];
  };
}
export const bgpPeerKind: Kind<BGPPeer> = {
  apiVersion,
  kind: "BGPPeer",
  plural: "bgppeers",
  // Calico's short name, bgppeer, is the kind's own in small letters.
  shortNames: [],
  namespaced: false,
};

export type FilterAction = "Accept" | "Reject";
export type MatchOperator = "In" | "NotIn" | "Equal" | "NotEqual";

export type FilterOperation =
  | { readonly addCommunity: { readonly value: string } }
  | { readonly prependASPath: { readonly prefix: readonly AsNumber[] } }
  | { readonly setPriority: { readonly value: number } };

export interface BGPFilterRule {
  readonly action: FilterAction;
  readonly cidr?: string;
  readonly matchOperator?: MatchOperator;
  readonly prefixLength?: { readonly min?: number; readonly max?: number };
  /** RemotePeers: learned from a peer by BGP. */
  readonly source?: "RemotePeers";
  readonly interface?: string;
  readonly peerType?: "eBGP" | "iBGP";
  /** The kernel metric that the route has. */
  readonly priority?: number;
  readonly asPathPrefix?: readonly AsNumber[];
  /** All of these must be on the route. */
  readonly communities?: { readonly values: readonly string[] };
  /** In order, for a route that is accepted. */
  readonly operations?: readonly FilterOperation[];
}

export interface BGPFilter extends KubeObject {
  readonly kind: "BGPFilter";
  readonly spec: {
    readonly importV4?: readonly BGPFilterRule[];
    readonly exportV4?: readonly BGPFilterRule[];
    readonly importV6?: readonly BGPFilterRule[];
    readonly exportV6?: readonly BGPFilterRule[];
  };
}
export const bgpFilterKind: Kind<BGPFilter> = {
  apiVersion,
  kind: "BGPFilter",
  plural: "bgpfilters",
  shortNames: [],
  namespaced: false,
};
