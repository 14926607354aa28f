import type { Rule } from "../../rule.ts";

export const namedPortOutside: Rule = {
  id: "TL022",
  name: "named-port-outside",
  severity: "warning",
  summary: "an egress rule to an ipBlock uses a port name",
  explanation:
    "A port name is looked up in the destination pod's containers. Addresses outside of the cluster have none, so the " +
    "rule never matches there.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        if (rule.direction !== "Egress" || !rule.peers?.some((peer) => peer?.ipBlock)) continue;
        for (const [index, port] of (rule.ports ?? []).entries()) {
          if (typeof port?.port !== "string") continue;
          yield {
            on: policy.on,
            path: [...rule.path, "ports", index, "port"],
            message: `port '${port.port}' is a name, and the rule's ipBlock has no containers to look it up in`,
            fix: "Write the port's number.",
          };
        }
      }
    }
  },
};
