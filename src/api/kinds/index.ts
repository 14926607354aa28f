// Every kind that Trunkline knows, for look-ups by apiVersion and kind or by the names a user types.
import type { Kind } from "../object.ts";
import { addressBlockKind } from "./address-block.ts";
import { addressListKind } from "./address-list.ts";
import { configMapKind, eventKind, namespaceKind, nodeKind, podKind } from "./core.ts";
import { hostKind } from "./host.ts";
import { ipPoolKind } from "./ip-pool.ts";
import { networkPolicyKind } from "./network-policy.ts";
import { nodeConfigKind } from "./node-config.ts";
import { opaqueKinds } from "./opaque.ts";
import { podEniKind } from "./pod-eni.ts";
import { podNetworkingKind } from "./pod-networking.ts";
import { bgpConfigurationKind, bgpFilterKind, bgpPeerKind } from "./routing/bgp.ts";
import { routingConfigurationKind } from "./routing/routing-configuration.ts";
import { secretKind } from "./secret.ts";
import { securityGroupKind } from "./security-group.ts";
import { endpointSliceKind, serviceKind } from "./service.ts";
import { serviceCidrKind } from "./service-cidr.ts";
import { sourceNatKind } from "./source-nat.ts";
import { subnetKind } from "./subnet.ts";
import { subnetLedgerKind } from "./subnet-ledger.ts";
import {
  cronJobKind,
  daemonSetKind,
  deploymentKind,
  jobKind,
  replicaSetKind,
  replicationControllerKind,
  statefulSetKind,
} from "./workloads.ts";

/**
 * Kinds that Trunkline brings along. IPPool and BGP… are Calico's, PodNetworking and PodENI are Terway's; a cluster that
 * has had those has them already.
 */
export const customKinds: readonly Kind[] = [
  ipPoolKind,
  addressBlockKind,
  sourceNatKind,
  addressListKind,
  hostKind,
  subnetKind,
  subnetLedgerKind,
  securityGroupKind,
  nodeConfigKind,
  podNetworkingKind,
  podEniKind,
  bgpConfigurationKind,
  bgpPeerKind,
  bgpFilterKind,
  routingConfigurationKind,
];

export const allKinds: readonly Kind[] = [
  nodeKind,
  namespaceKind,
  podKind,
  configMapKind,
  secretKind,
  eventKind,
  replicationControllerKind,
  replicaSetKind,
  deploymentKind,
  statefulSetKind,
  daemonSetKind,
  jobKind,
  cronJobKind,
  networkPolicyKind,
  ...customKinds,
  serviceCidrKind,
  serviceKind,
  endpointSliceKind,
  ...opaqueKinds,
];

// calicoctl's own name for the objects that the Kubernetes API keeps under the other.
const aliases: Readonly<Record<string, string>> = { "projectcalico.org/v3": "crd.projectcalico.org/v1" };

/** Returns the kind of an object, by either name of its group; undefined if Trunkline does not know it. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  const stored = aliases[apiVersion] ?? apiVersion;
  return allKinds.find((known) => known.apiVersion === stored && known.kind === kind);
}

/**
 * Returns the kind that a user means by `pods`, `po`, `pod` or `Pod`, also with its API group, and version, behind it:
 * `deployments.apps`, `deploy.v1.apps`.
 */
export function kindNamed(word: string): Kind | undefined {
  const [name = "", ...rest] = word.toLowerCase().split(".");
  const suffix = rest.join(".");
  return allKinds.find(({ kind, plural, shortNames, apiVersion }) => {
    if (plural !== name && kind.toLowerCase() !== name && !shortNames.includes(name)) return false;
    const names = [apiVersion, ...Object.keys(aliases).filter((alias) => aliases[alias] === apiVersion)];
    return suffix === "" || names.flatMap(suffixesOf).includes(suffix);
  });
}

function suffixesOf(apiVersion: string): string[] {
  const [version = "", group = ""] = apiVersion.split("/").toReversed();
  return group === "" ? [] : [group, `${version}.${group}`];
}

// In kubectl's order.
const workloadWords =
  "pods replicationcontrollers services daemonsets deployments replicasets statefulsets hpa cronjobs jobs";

/** Returns the kinds that a user means by `all`, or undefined for any other word. */
export function categoryNamed(word: string): readonly Kind[] | undefined {
  if (word.toLowerCase() !== "all") return undefined;
  return workloadWords.split(" ").flatMap((name) => kindNamed(name) ?? []);
}
