// Small objects for tests of node configurations.
import type { ConfigMap, Node } from "../../api/kinds/core.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { type NodeConfigFacts, planNodeConfig } from "./node-config.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-11-01T00:00:00Z",
});

export function configMap(name: string, text: string | undefined): ConfigMap {
  const data = text === undefined ? {} : { eni_conf: text };
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { ...meta(name), namespace: "kube-system" }, data };
}

export function subnet(id: string, zone: string, cidr: string): Subnet {
  return { apiVersion: "trunkline.dev/v1alpha1", kind: "Subnet", metadata: meta(id), spec: { zone, cidr } };
}

export function node(zone: string | undefined, overlay?: string): Node {
  const labels = {
    ...(zone !== undefined && { "topology.kubernetes.io/zone": zone }),
    ...(overlay !== undefined && { "terway-config": overlay }),
  };
  return { apiVersion: "v1", kind: "Node", metadata: { ...meta("node1"), labels } };
}

/** Returns the facts of these texts of eni_conf, by name of the ConfigMap. */
export function configFacts(
  texts: Readonly<Record<string, string | undefined>>,
  subnets: readonly Subnet[] = [subnet("vsw-h", "h", "10.2.0.0/24"), subnet("vsw-fixed", "h", "10.2.1.0/24")],
): NodeConfigFacts {
  return {
    configMaps: new Map(
      Object.entries(texts).map(([name, text]) => [`kube-system/${name}`, configMap(name, text)]),
    ),
    subnets: new Map(subnets.map((one) => [one.metadata.name, one])),
  };
}

export function plan(texts: Readonly<Record<string, string | undefined>>, overlay?: string, zone?: string) {
  return planNodeConfig(configFacts(texts), node(zone ?? "h", overlay));
}
