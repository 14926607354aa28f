import { stringify } from "yaml";
import { kubectlScalars } from "../../../../api/manifest/scalars.ts";
import type { Report, Rule } from "../../rule.ts";
import type { PolicyView, RuleView } from "../../view.ts";

export const separatePortsItem: Rule = {
  id: "TL014",
  name: "separate-ports-item",
  severity: "warning",
  summary: "ports stand in a list item of their own, and so allow those ports from everyone",
  explanation:
    "Every item of ingress or egress is a rule of its own. An item that has only peers allows them every port; one that " +
    "has only ports allows those ports for everyone. Written as two items, they restrict nothing of each other.",
  *check(view) {
    for (const policy of view.policies) {
      for (const direction of ["Ingress", "Egress"] as const) {
        const rules = policy.rules.filter((rule) => rule.direction === direction);
        for (const [index, rule] of rules.entries()) {
          const before = rules[index - 1];
          if (before?.peers && !before.ports && rule.ports && !rule.peers)
            yield report(policy, rules, before, rule);
        }
      }
    }
  },
};

function report(policy: PolicyView, rules: readonly RuleView[], peers: RuleView, ports: RuleView): Report {
  const ingress = ports.direction === "Ingress";
  const list = (ports.ports ?? [])
    .map((port) => `${port.protocol ?? "TCP"} ${port.port ?? "any port"}`)
    .join(", ");
  const field = ingress ? "ingress" : "egress";
  const merged = rules.flatMap((rule) => {
    if (rule === ports) return [];
    const own = rule === peers ? { ports: ports.ports } : rule.ports ? { ports: rule.ports } : {};
    return [{ ...(rule.peers ? { [rule.peersKey]: rule.peers } : {}), ...own }];
  });
  return {
    on: policy.on,
    path: [...ports.path, "ports"],
    message:
      `'ports' stands in an item of its own: it allows ${list} ${ingress ? "from everyone" : "to everywhere"}, and the ` +
      `'${peers.peersKey}' before it allows every port`,
    fix: `Make 'ports' part of the item above: remove the dash before it and align it with '${peers.peersKey}'.`,
    change: { what: "join", path: ports.path },
    corrected: stringify(
      { [field]: merged },
      { ...kubectlScalars, indentSeq: false, aliasDuplicateObjects: false },
    ),
  };
}
