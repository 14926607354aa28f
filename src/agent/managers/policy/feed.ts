// Tells a node's policies what changed of the facts: only that, or after a relist all that is there or was known.
import type { ClusterFacts, NodeFacts } from "../../../plan/facts.ts";
import type { NodePolicy } from "../../../plan/policy/node/node-policy.ts";
import type { Changes } from "../manager.ts";

/** What policies are made of, and the ConfigMap that switches them off. */
export const policyKinds = ["namespaces", "networkpolicies", "pods", "endpoints", "configmaps"] as const;

/** Returns the keys of the policies that it was told of. */
export function feedPolicy(
  policy: NodePolicy,
  facts: ClusterFacts,
  node: NodeFacts,
  changes: Changes,
): readonly string[] {
  const { model } = policy;
  for (const name of changed(changes.get("namespaces"), facts.namespaces, () => model.namespaceNames()))
    policy.setNamespace(name, facts.namespaces.get(name));
  const policies = [...changed(changes.get("networkpolicies"), facts.policies, () => model.policyKeys())];
  for (const key of policies) policy.setPolicy(key, facts.policies.get(key));
  for (const key of changed(changes.get("pods"), facts.pods, () => policy.podKeys()))
    policy.setPod(key, facts.pods.get(key));
  for (const key of changed(changes.get("endpoints"), node.endpoints, () => policy.endpointKeys()))
    policy.setEndpoint(key, node.endpoints.get(key));
  return policies;
}

/** Returns the keys to look at: those told, or after a relist all that are there or were known. */
function changed(
  told: ReadonlySet<string> | "all" | undefined,
  now: ReadonlyMap<string, unknown>,
  known: () => Iterable<string>,
): Iterable<string> {
  if (told === undefined) return [];
  return told === "all" ? new Set([...known(), ...now.keys()]) : told;
}
