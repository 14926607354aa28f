import { cidrCovers, cidrsOverlap, formatCidr } from "../../../../base/ip.ts";
import type { Rule } from "../../rule.ts";
import { range } from "../../view.ts";

export const ipBlockInPodRange: Rule = {
  id: "TL011",
  name: "ip-block-in-pod-range",
  severity: "warning",
  summary: "an ipBlock names addresses that pods get",
  explanation:
    "Pods' addresses are handed out anew whenever a pod starts, so an ipBlock inside the pods' range means other pods " +
    "tomorrow. The API means ipBlock for addresses outside of the cluster; pods are selected by labels.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, peer] of (rule.peers ?? []).entries()) {
          const cidr = range(peer?.ipBlock?.cidr);
          if (!cidr) continue;
          const excepts = (peer?.ipBlock?.except ?? []).flatMap((text) => range(text) ?? []);
          const hit = view.podRanges.find(
            // A block wider than the pods' range, such as 0.0.0.0/0, means the outside.
            (pods) => cidrsOverlap(pods.cidr, cidr) && !excepts.some((hole) => cidrCovers(hole, pods.cidr)),
          );
          if (!hit || (cidrCovers(cidr, hit.cidr) && cidr.length < hit.cidr.length)) continue;
          yield {
            on: policy.on,
            path: [...rule.path, rule.peersKey, index, "ipBlock", "cidr"],
            message: `${formatCidr(cidr)} lies in the pods' range ${formatCidr(hit.cidr)} of ${hit.source}`,
            fix: "Select the pods with podSelector and namespaceSelector.",
          };
        }
      }
    }
  },
};
