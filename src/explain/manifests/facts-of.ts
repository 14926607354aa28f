// A cluster as manifests describe it: the same facts that a store would give, before anything is applied.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import type { ConfigMap, Namespace, Node, Pod } from "../../api/kinds/core.ts";
import type { Host } from "../../api/kinds/host.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type { NetworkPolicy } from "../../api/kinds/network-policy.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import type { BGPConfiguration, BGPFilter, BGPPeer } from "../../api/kinds/routing/bgp.ts";
import type { RoutingConfiguration } from "../../api/kinds/routing/routing-configuration.ts";
import type { Secret } from "../../api/kinds/secret.ts";
import type { SecurityGroup } from "../../api/kinds/security-group.ts";
import type { ServiceCIDR } from "../../api/kinds/service-cidr.ts";
import type { SourceNAT } from "../../api/kinds/source-nat.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import type { KubeObject } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { standIn, templateOf } from "./workloads.ts";

const nameLabel = "kubernetes.io/metadata.name";

/**
 * Returns the facts that a set of objects describes, in whatever order they come. Workloads stand for their pods
 * (unless their owner is here too), a Namespace that nobody declares gets its default label, and objects without a
 * namespace go to `namespace`. Of two objects with one name the later stands, as with apply.
 */
export function factsOf(objects: Iterable<KubeObject>, namespace = "default"): ClusterFacts {
  const all = [...objects];
  const facts = {
    nodes: new Map<string, Node>(),
    namespaces: new Map<string, Namespace>(),
    pools: new Map<string, IPPool>(),
    blocks: new Map<string, AddressBlock>(),
    sourceNats: new Map<string, SourceNAT>(),
    hosts: new Map<string, Host>(),
    pods: new Map<string, Pod>(),
    policies: new Map<string, NetworkPolicy>(),
    configMaps: new Map<string, ConfigMap>(),
    bgpConfigurations: new Map<string, BGPConfiguration>(),
    bgpPeers: new Map<string, BGPPeer>(),
    bgpFilters: new Map<string, BGPFilter>(),
    routingConfigurations: new Map<string, RoutingConfiguration>(),
    secrets: new Map<string, Secret>(),
    serviceCidrs: new Map<string, ServiceCIDR>(),
    subnets: new Map<string, Subnet>(),
    securityGroups: new Map<string, SecurityGroup>(),
    nodeConfigs: new Map<string, NodeConfig>(),
    podNetworkings: new Map<string, PodNetworking>(),
    podEnis: new Map<string, PodENI>(),
  };
  const owners = new Set(
    all.map((object) => ownerKey(object.kind, object.metadata.name, spaceOf(object, namespace))),
  );
  for (const object of all) {
    const space = spaceOf(object, namespace);
    const key = `${space}/${object.metadata.name}`;
    const { name } = object.metadata;
    const placed = { ...object, metadata: { ...object.metadata, namespace: space } };
    if (object.kind === "Namespace") declare(facts.namespaces, object as Namespace);
    else if (object.kind === "Node") facts.nodes.set(object.metadata.name, object as Node);
    else if (object.kind === "IPPool") facts.pools.set(object.metadata.name, object as IPPool);
    else if (object.kind === "AddressBlock") facts.blocks.set(object.metadata.name, object as AddressBlock);
    else if (object.kind === "SourceNAT") facts.sourceNats.set(object.metadata.name, object as SourceNAT);
    else if (object.kind === "Host") facts.hosts.set(object.metadata.name, object as Host);
    else if (object.kind === "Subnet") facts.subnets.set(object.metadata.name, object as Subnet);
    else if (object.kind === "SecurityGroup") facts.securityGroups.set(name, object as SecurityGroup);
    else if (object.kind === "NodeConfig") facts.nodeConfigs.set(object.metadata.name, object as NodeConfig);
    else if (object.kind === "PodNetworking")
      facts.podNetworkings.set(object.metadata.name, object as PodNetworking);
    else if (object.kind === "PodENI") facts.podEnis.set(key, placed as PodENI);
    else if (object.kind === "NetworkPolicy") facts.policies.set(key, placed as NetworkPolicy);
    else if (object.kind === "BGPConfiguration")
      facts.bgpConfigurations.set(name, object as BGPConfiguration);
    else if (object.kind === "BGPPeer") facts.bgpPeers.set(name, object as BGPPeer);
    else if (object.kind === "BGPFilter") facts.bgpFilters.set(name, object as BGPFilter);
    else if (object.kind === "RoutingConfiguration")
      facts.routingConfigurations.set(name, object as RoutingConfiguration);
    else if (object.kind === "ServiceCIDR") facts.serviceCidrs.set(name, object as ServiceCIDR);
    else if (object.kind === "Secret") facts.secrets.set(key, placed as Secret);
    else if (object.kind === "ConfigMap") facts.configMaps.set(key, placed as ConfigMap);
    else addPods(facts.pods, placed, owners);
    if (namespaced.has(object.kind) || templateOf(object)) ensure(facts.namespaces, space);
  }
  return facts;
}

const namespaced = new Set(["NetworkPolicy", "Pod"]);

function spaceOf(object: KubeObject, fallback: string): string {
  return object.metadata.namespace ?? fallback;
}

function ownerKey(kind: string, name: string, namespace: string): string {
  return `${kind}/${namespace}/${name}`;
}

function addPods(pods: Map<string, Pod>, object: KubeObject, owners: ReadonlySet<string>): void {
  const namespace = object.metadata.namespace ?? "";
  const owner = object.metadata.ownerReferences?.find((reference) => reference.controller ?? true);
  if (owner && owners.has(ownerKey(owner.kind, owner.name, namespace))) return;
  const template = templateOf(object);
  const pod =
    object.kind === "Pod" ? (object as Pod) : template ? standIn(object, template, namespace) : undefined;
  if (pod) pods.set(`${namespace}/${pod.metadata.name}`, pod);
}

function declare(namespaces: Map<string, Namespace>, namespace: Namespace): void {
  const { name } = namespace.metadata;
  const labels = { ...namespace.metadata.labels, [nameLabel]: name };
  namespaces.set(name, { ...namespace, metadata: { ...namespace.metadata, labels } });
}

function ensure(namespaces: Map<string, Namespace>, name: string): void {
  if (namespaces.has(name)) return;
  const metadata = { name, uid: "", resourceVersion: "", creationTimestamp: "" };
  declare(namespaces, { apiVersion: "v1", kind: "Namespace", metadata });
}
