// A cluster's facts as they would be after manifests were applied to it.

import type { Pod } from "../../api/kinds/core.ts";
import { type KubeObject, keyOf } from "../../api/object.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { factsOf } from "../manifests/facts-of.ts";
import { isStandIn, templateOf } from "../manifests/workloads.ts";

/**
 * Returns the facts after `objects` were applied: objects of the same name are replaced, namespaces keep labels that
 * the manifest does not mention, pods keep their status. A workload whose pods run already gives them its template's
 * labels and ports; one that is new stands for its pods.
 */
export function overlay(
  facts: ClusterFacts,
  objects: readonly KubeObject[],
  namespace = "default",
): ClusterFacts {
  const added = factsOf(objects, namespace);
  const namespaces = new Map(facts.namespaces);
  const declared = new Set(
    objects.filter((object) => object.kind === "Namespace").map((object) => object.metadata.name),
  );
  for (const [name, space] of added.namespaces) {
    const old = namespaces.get(name);
    if (!old) namespaces.set(name, space);
    else if (declared.has(name)) {
      const labels = { ...old.metadata.labels, ...space.metadata.labels };
      namespaces.set(name, { ...old, metadata: { ...old.metadata, labels } });
    }
  }
  const pods = new Map(facts.pods);
  for (const [key, pod] of added.pods) {
    if (isStandIn(pod)) continue;
    const old = pods.get(key);
    pods.set(key, old ? withTemplate(old, pod) : pod);
  }
  for (const object of objects) addWorkload(pods, object, namespace, added);
  return {
    nodes: merged(facts.nodes, added.nodes),
    namespaces,
    pools: merged(facts.pools, added.pools),
    blocks: merged(facts.blocks, added.blocks),
    sourceNats: merged(facts.sourceNats, added.sourceNats),
    hosts: merged(facts.hosts, added.hosts),
    pods,
    policies: merged(facts.policies, added.policies),
    configMaps: merged(facts.configMaps, added.configMaps),
    bgpConfigurations: merged(facts.bgpConfigurations, added.bgpConfigurations),
    bgpPeers: merged(facts.bgpPeers, added.bgpPeers),
    bgpFilters: merged(facts.bgpFilters, added.bgpFilters),
    routingConfigurations: merged(facts.routingConfigurations, added.routingConfigurations),
    secrets: merged(facts.secrets, added.secrets),
    serviceCidrs: merged(facts.serviceCidrs, added.serviceCidrs),
    subnets: merged(facts.subnets, added.subnets),
    securityGroups: merged(facts.securityGroups, added.securityGroups),
    nodeConfigs: merged(facts.nodeConfigs, added.nodeConfigs),
    podNetworkings: merged(facts.podNetworkings, added.podNetworkings),
    podEnis: merged(facts.podEnis, added.podEnis),
  };
}

function merged<T>(old: ReadonlyMap<string, T>, added: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return added.size === 0 ? old : new Map([...old, ...added]);
}

function addWorkload(
  pods: Map<string, Pod>,
  object: KubeObject,
  namespace: string,
  added: ClusterFacts,
): void {
  const template = templateOf(object);
  if (!template || object.kind === "Pod") return;
  const space = object.metadata.namespace ?? namespace;
  const stand = added.pods.get(`${space}/${object.kind.toLowerCase()}/${object.metadata.name}`);
  if (!stand) return;
  const running = [...pods.values()].filter((pod) => isOwned(pod, object, space));
  for (const pod of running) pods.set(keyOf(pod), withTemplate(pod, stand));
  if (running.length === 0) pods.set(keyOf(stand), stand);
}

function isOwned(pod: Pod, workload: KubeObject, namespace: string): boolean {
  if (pod.metadata.namespace !== namespace) return false;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  return (pod.metadata.ownerReferences ?? []).some(
    ({ kind, name }) =>
      (kind === workload.kind && name === workload.metadata.name) ||
      (workload.kind === "Deployment" &&
        kind === "ReplicaSet" &&
        name === `${workload.metadata.name}-${hash}`),
  );
}

function withTemplate(old: Pod, fresh: Pod): Pod {
  const labels = fresh.metadata.labels ?? {};
  const { nodeName } = old.spec;
  return {
    ...old,
    metadata: { ...old.metadata, labels },
    spec: { ...fresh.spec, ...(nodeName === undefined ? {} : { nodeName }) },
  };
}
