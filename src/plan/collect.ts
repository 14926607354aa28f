// Facts for one answer, read from a store at once. (An agent keeps its facts up to date by informers instead.)
import { addressBlockKind } from "../api/kinds/address-block.ts";
import { configMapKind, namespaceKind, nodeKind, podKind } from "../api/kinds/core.ts";
import { hostKind } from "../api/kinds/host.ts";
import { ipPoolKind } from "../api/kinds/ip-pool.ts";
import { networkPolicyKind } from "../api/kinds/network-policy.ts";
import { nodeConfigKind } from "../api/kinds/node-config.ts";
import { podEniKind } from "../api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../api/kinds/pod-networking.ts";
import { bgpConfigurationKind, bgpFilterKind, bgpPeerKind } from "../api/kinds/routing/bgp.ts";
import { routingConfigurationKind } from "../api/kinds/routing/routing-configuration.ts";
import { secretKind } from "../api/kinds/secret.ts";
import { securityGroupKind } from "../api/kinds/security-group.ts";
import { serviceCidrKind } from "../api/kinds/service-cidr.ts";
import { sourceNatKind } from "../api/kinds/source-nat.ts";
import { subnetKind } from "../api/kinds/subnet.ts";
import { type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";
import type { ClusterFacts } from "./facts.ts";

/** The namespace whose ConfigMaps configure the network. */
export const settingsNamespace = "kube-system";

/** Returns a picture of the cluster's objects as they stand now. */
export async function collectFacts(store: Store): Promise<ClusterFacts> {
  const read = async <T extends KubeObject>(kind: Kind<T>, namespace?: string) => {
    const { items } = await store.list(kind, namespace);
    return new Map(items.map((item) => [keyOf(item), item]));
  };
  // A cluster may be older than the kind, and whoever asks may not be allowed to read passwords.
  const readIfAny = async <T extends KubeObject>(kind: Kind<T>, namespace?: string) => {
    try {
      return await read(kind, namespace);
    } catch (error) {
      if (isError(error, "store.unserved") || isError(error, "store.refused")) return new Map<string, T>();
      throw error;
    }
  };
  const [objects, routing, interfaces] = await Promise.all([
    Promise.all([
      read(nodeKind),
      read(namespaceKind),
      read(ipPoolKind),
      read(addressBlockKind),
      read(sourceNatKind),
      read(hostKind),
      read(podKind),
      read(networkPolicyKind),
      read(configMapKind, settingsNamespace),
    ]),
    Promise.all([
      read(bgpConfigurationKind),
      read(bgpPeerKind),
      read(bgpFilterKind),
      read(routingConfigurationKind),
      readIfAny(secretKind, settingsNamespace),
      readIfAny(serviceCidrKind),
    ]),
    Promise.all([
      read(subnetKind),
      read(nodeConfigKind),
      read(podNetworkingKind),
      read(podEniKind),
      read(securityGroupKind),
    ]),
  ]);
  const [nodes, namespaces, pools, blocks, sourceNats, hosts, pods, policies, configMaps] = objects;
  const [bgpConfigurations, bgpPeers, bgpFilters, routingConfigurations, secrets, serviceCidrs] = routing;
  const [subnets, nodeConfigs, podNetworkings, podEnis, securityGroups] = interfaces;
  return {
    nodes,
    namespaces,
    pools,
    blocks,
    sourceNats,
    hosts,
    pods,
    policies,
    configMaps,
    bgpConfigurations,
    bgpPeers,
    bgpFilters,
    routingConfigurations,
    secrets,
    serviceCidrs,
    subnets,
    nodeConfigs,
    podNetworkings,
    podEnis,
    securityGroups,
  };
}
