import { cidrRange, subtractRanges } from "../../../../base/ip.ts";
import type { Rule } from "../../rule.ts";
import { range } from "../../view.ts";

export const exceptCoversCidr: Rule = {
  id: "TL010",
  name: "except-covers-cidr",
  severity: "error",
  summary: "an ipBlock's except leaves nothing of its cidr",
  explanation:
    "except takes ranges out of cidr. When they cover it whole, the item allows nothing; an API server refuses an " +
    "except that equals cidr, but not several that cover it together.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, peer] of (rule.peers ?? []).entries()) {
          const cidr = range(peer?.ipBlock?.cidr);
          const holes = (peer?.ipBlock?.except ?? []).flatMap((text) => range(text) ?? []);
          if (!cidr || holes.length === 0) continue;
          if (subtractRanges(cidrRange(cidr), holes.map(cidrRange)).length > 0) continue;
          yield {
            on: policy.on,
            path: [...rule.path, rule.peersKey, index, "ipBlock", "except"],
            message: `except leaves nothing of ${peer?.ipBlock?.cidr}`,
            fix: "Remove the item, or write a narrower except.",
          };
        }
      }
    }
  },
};
