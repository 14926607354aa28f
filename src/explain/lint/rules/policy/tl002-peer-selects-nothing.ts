import type { NetworkPolicyPeer } from "../../../../api/kinds/network-policy.ts";
import { formatSelector } from "../../../policies/selectors.ts";
import type { Rule } from "../../rule.ts";

export const peerSelectsNothing: Rule = {
  id: "TL002",
  name: "peer-selects-nothing",
  severity: "warning",
  summary: "a rule's peer matches no pod",
  explanation:
    "A peer is a set of pods by their labels and their namespace's labels. A peer that matches no pod allows nothing: " +
    "the traffic that it was meant to let through is refused.",
  *check(view) {
    if (view.subjects.length === 0) return;
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, peer] of (rule.peers ?? []).entries()) {
          if (!peer || peer.ipBlock || (!peer.podSelector && !peer.namespaceSelector)) continue;
          if (view.subjects.some((subject) => view.peerMatches(peer, policy.namespace, subject))) continue;
          yield {
            on: policy.on,
            path: [...rule.path, rule.peersKey, index],
            message: `${describePeer(peer, policy.namespace)} matches no pod`,
            fix: peer.namespaceSelector
              ? "Compare with the labels of the namespaces and of the pod templates."
              : `Without a namespaceSelector a peer means pods of namespace ${policy.namespace} only.`,
          };
        }
      }
    }
  },
};

/** Returns a peer in words. */
export function describePeer(peer: NetworkPolicyPeer, namespace: string): string {
  const pods = peer.podSelector ? `pods ${formatSelector(peer.podSelector)}` : "every pod";
  if (!peer.namespaceSelector) return `peer ${pods} in namespace ${namespace}`;
  return `peer ${pods} in namespaces ${formatSelector(peer.namespaceSelector)}`;
}
