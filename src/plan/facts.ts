// What plans are made from: a picture of the cluster's objects. Plans are pure functions of facts; the same facts give
// the same plan, whoever asks: the agent that enforces it, or explain, lint and diff that only tell.
import type { AddressBlock } from "../api/kinds/address-block.ts";
import type { ConfigMap, Namespace, Node, Pod } from "../api/kinds/core.ts";
import type { Host } from "../api/kinds/host.ts";
import type { IPPool } from "../api/kinds/ip-pool.ts";
import type { NetworkPolicy } from "../api/kinds/network-policy.ts";
import type { NodeConfig } from "../api/kinds/node-config.ts";
import type { PodENI } from "../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../api/kinds/pod-networking.ts";
import type { BGPConfiguration, BGPFilter, BGPPeer } from "../api/kinds/routing/bgp.ts";
import { nodeAnnotation } from "../api/kinds/routing/node-annotations.ts";
import type { RoutingConfiguration } from "../api/kinds/routing/routing-configuration.ts";
import type { Secret } from "../api/kinds/secret.ts";
import type { SecurityGroup } from "../api/kinds/security-group.ts";
import type { ServiceCIDR } from "../api/kinds/service-cidr.ts";
import type { SourceNAT } from "../api/kinds/source-nat.ts";
import type { Subnet } from "../api/kinds/subnet.ts";
import { formatIp, tryParseIp } from "../base/ip.ts";

export interface ClusterFacts {
  /** By name. */
  readonly nodes: ReadonlyMap<string, Node>;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly pools: ReadonlyMap<string, IPPool>;
  readonly blocks: ReadonlyMap<string, AddressBlock>;
  readonly sourceNats: ReadonlyMap<string, SourceNAT>;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly subnets: ReadonlyMap<string, Subnet>;
  /** By id; only of groups that their provider does not enforce. */
  readonly securityGroups: ReadonlyMap<string, SecurityGroup>;
  readonly nodeConfigs: ReadonlyMap<string, NodeConfig>;
  readonly podNetworkings: ReadonlyMap<string, PodNetworking>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly podEnis: ReadonlyMap<string, PodENI>;
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  /** Only those that Trunkline reads: kube-system/{ip-masq-agent,eni-config,calico-config,kube-flannel-cfg,…}. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  /** `default`, and `node.NAME` for single nodes. */
  readonly bgpConfigurations: ReadonlyMap<string, BGPConfiguration>;
  readonly bgpPeers: ReadonlyMap<string, BGPPeer>;
  readonly bgpFilters: ReadonlyMap<string, BGPFilter>;
  /** At most one: `default`. */
  readonly routingConfigurations: ReadonlyMap<string, RoutingConfiguration>;
  /** Only those of kube-system, by `namespace/name`. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Ranges of Services; none where the cluster has no such objects. */
  readonly serviceCidrs: ReadonlyMap<string, ServiceCIDR>;
}

/** What a node's agent knows of itself beyond the objects. */
export interface NodeFacts {
  readonly node: string;
  /** Its addresses towards other nodes, IPv4 and IPv6 where it has them. */
  readonly addresses: readonly string[];
  /** The link that holds the first of them. */
  readonly uplink: string;
  /** By `containerId/interface`. */
  readonly endpoints: ReadonlyMap<string, LocalEndpoint>;
}

/** A pod's end on this node, from the agent's journal: known before and after the pod's object is. */
export interface LocalEndpoint {
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  /** The host end of the pod's veth. */
  readonly interface: string;
  readonly ips: readonly string[];
}

export function emptyFacts(): ClusterFacts {
  return {
    nodes: new Map(),
    namespaces: new Map(),
    pools: new Map(),
    blocks: new Map(),
    sourceNats: new Map(),
    hosts: new Map(),
    subnets: new Map(),
    securityGroups: new Map(),
    nodeConfigs: new Map(),
    podNetworkings: new Map(),
    pods: new Map(),
    podEnis: new Map(),
    policies: new Map(),
    configMaps: new Map(),
    bgpConfigurations: new Map(),
    bgpPeers: new Map(),
    bgpFilters: new Map(),
    routingConfigurations: new Map(),
    secrets: new Map(),
    serviceCidrs: new Map(),
  };
}

/** Returns a node's InternalIP addresses. */
export function internalIps(node: Node): readonly string[] {
  return (node.status?.addresses ?? [])
    .filter((entry) => entry.type === "InternalIP")
    .map((entry) => entry.address);
}

/** Returns the addresses that are known to be a node's: its InternalIPs, and what its agent has found and written down. */
export function nodeIps(node: Node): readonly string[] {
  const own = internalIps(node);
  const found = (["ipv4Address", "ipv6Address"] as const).flatMap((name) => {
    const [address = ""] = nodeAnnotation(node, name)?.split("/") ?? [];
    const ip = tryParseIp(address);
    return ip && !own.includes(address) ? [formatIp(ip)] : [];
  });
  return found.length === 0 ? own : [...new Set([...own, ...found])];
}
