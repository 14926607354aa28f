// Every kind that Trunkline knows, for look-ups by apiVersion and kind or by the names a user types.
import type { Kind } from "../object.ts";
import { addressBlockKind } from "./address-block.ts";
import { configMapKind, eventKind, namespaceKind, nodeKind, podKind } from "./core.ts";
import { hostKind } from "./host.ts";
import { ipPoolKind } from "./ip-pool.ts";
import { networkPolicyKind } from "./network-policy.ts";
import { opaqueKinds } from "./opaque.ts";
import { sourceNatKind } from "./source-nat.ts";
import {
  cronJobKind,
  daemonSetKind,
  deploymentKind,
  jobKind,
  replicaSetKind,
  replicationControllerKind,
  statefulSetKind,
} from "./workloads.ts";

export const allKinds: readonly Kind[] = [
  nodeKind,
  namespaceKind,
  podKind,
  configMapKind,
  eventKind,
  replicationControllerKind,
  replicaSetKind,
  deploymentKind,
  statefulSetKind,
  daemonSetKind,
  jobKind,
  cronJobKind,
  networkPolicyKind,
  ipPoolKind,
  addressBlockKind,
  sourceNatKind,
  hostKind,
  ...opaqueKinds,
];

/** Returns the kind of an object, or undefined if Trunkline does not know it. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  return allKinds.find((known) => known.apiVersion === apiVersion && known.kind === kind);
}

/** Returns the kind that a user means by `pods`, `po`, `pod` or `Pod`. */
export function kindNamed(word: string): Kind | undefined {
  const lower = word.toLowerCase();
  return allKinds.find(
    (known) =>
      known.plural === lower || known.kind.toLowerCase() === lower || known.shortNames.includes(lower),
  );
}
