import type { Rule } from "../../rule.ts";

export const oneFamilyOnly: Rule = {
  id: "TL012",
  name: "one-family-only",
  severity: "warning",
  summary: "in a dual-stack cluster, a rule names the whole of one address family and not the other",
  explanation:
    "0.0.0.0/0 means all IPv4 addresses and no IPv6 address. Where pods have both, half of the traffic is refused, and " +
    "which half is used depends on the client.",
  *check(view) {
    if (!view.dualStack) return;
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        const cidrs = (rule.peers ?? []).map((peer) => peer?.ipBlock?.cidr);
        for (const [index, cidr] of cidrs.entries()) {
          const other = cidr === "0.0.0.0/0" ? "::/0" : cidr === "::/0" ? "0.0.0.0/0" : undefined;
          if (other === undefined || cidrs.includes(other)) continue;
          yield {
            on: policy.on,
            path: [...rule.path, rule.peersKey, index, "ipBlock", "cidr"],
            message: `${cidr} stands without ${other} in a cluster with both address families`,
            fix: `Add an item for ${other}.`,
            change: {
              what: "append",
              path: [...rule.path, rule.peersKey],
              item: { ipBlock: { cidr: other } },
            },
            corrected: `${rule.peersKey}:\n- ipBlock:\n    cidr: "${cidr}"\n- ipBlock:\n    cidr: "${other}"\n`,
          };
        }
      }
    }
  },
};
