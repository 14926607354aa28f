// Facts for tests of sessions, with little to write. Test only.

import type { Node } from "../../../api/kinds/core.ts";
import type { IPPool } from "../../../api/kinds/ip-pool.ts";
import type { BGPConfiguration, BGPFilter, BGPPeer } from "../../../api/kinds/routing/bgp.ts";
import type { RoutingConfiguration } from "../../../api/kinds/routing/routing-configuration.ts";
import type { ClusterFacts } from "../../facts.ts";
import { node as plainNode } from "../facts.suite.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const apiVersion = "crd.projectcalico.org/v1";

export interface NodeParts {
  readonly addresses: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function nodeWith(name: string, { addresses, labels = {}, annotations = {} }: NodeParts): Node {
  const node = plainNode(name, ...addresses);
  return { ...node, metadata: { ...node.metadata, labels, annotations } };
}

export function peer(name: string, spec: BGPPeer["spec"]): [string, BGPPeer] {
  return [name, { apiVersion, kind: "BGPPeer", metadata: meta(name), spec }];
}

export function filter(name: string, spec: BGPFilter["spec"]): [string, BGPFilter] {
  return [name, { apiVersion, kind: "BGPFilter", metadata: meta(name), spec }];
}

export function pool(name: string, spec: IPPool["spec"]): [string, IPPool] {
  return [name, { apiVersion, kind: "IPPool", metadata: meta(name), spec }];
}

export function bgp(spec: BGPConfiguration["spec"], name = "default"): [string, BGPConfiguration] {
  return [name, { apiVersion, kind: "BGPConfiguration", metadata: meta(name), spec }];
}

export function routing(spec: RoutingConfiguration["spec"]): Pick<ClusterFacts, "routingConfigurations"> {
  const object: RoutingConfiguration = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "RoutingConfiguration",
    metadata: meta("default"),
    spec,
  };
  return { routingConfigurations: new Map([["default", object]]) };
}

export function secret(
  name: string,
  stringData: Readonly<Record<string, string>>,
): Pick<ClusterFacts, "secrets"> {
  const metadata = { ...meta(name), namespace: "kube-system" };
  return {
    secrets: new Map([[`kube-system/${name}`, { apiVersion: "v1", kind: "Secret", metadata, stringData }]]),
  };
}
