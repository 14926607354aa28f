import { stringify } from "yaml";
import type { NetworkPolicyPort } from "../../../../api/kinds/network-policy.ts";
import { kubectlScalars } from "../../../../api/manifest/scalars.ts";
import { selectorCovers } from "../../../policies/selectors.ts";
import type { Rule } from "../../rule.ts";
import type { LintView, PolicyView } from "../../view.ts";

export const egressWithoutDns: Rule = {
  id: "TL007",
  name: "egress-without-dns",
  severity: "warning",
  summary: "a policy restricts egress, and nothing lets its pods ask for names",
  explanation:
    "As soon as a policy isolates pods for egress, UDP and TCP 53 need a rule too. Without one, every connection that " +
    "starts with a host name fails, which looks like an outage of the service behind the name.",
  *check(view) {
    for (const policy of view.policies) {
      const egress = policy.rules.filter((rule) => rule.direction === "Egress");
      // A policy without any egress rule denies on purpose; others are expected to add to it.
      if (!policy.types.has("Egress") || egress.length === 0) continue;
      if (siblings(view, policy).some(allowsDns)) continue;
      yield {
        on: policy.on,
        path: ["spec", "egress"],
        message: `the pods that policy ${policy.name} selects may not send to UDP port 53 anywhere, so they cannot resolve names`,
        fix: "Add a rule for DNS, unless these pods work with addresses only.",
        change: { what: "append", path: ["spec", "egress"], item: dnsRule },
        corrected: stringify({ egress: [dnsRule] }, { ...kubectlScalars, indentSeq: false }),
      };
    }
  },
};

const dnsRule = {
  to: [
    {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
      podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
    },
  ],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

/** The policies that surely apply to every pod that `policy` applies to; itself included. */
function siblings(view: LintView, policy: PolicyView): readonly PolicyView[] {
  return view.policies.filter(
    (other) =>
      other.namespace === policy.namespace &&
      other.types.has("Egress") &&
      selectorCovers(other.selector, policy.selector),
  );
}

function allowsDns(policy: PolicyView): boolean {
  return policy.rules.some(
    (rule) => rule.direction === "Egress" && (rule.ports === undefined || rule.ports.some(isDns)),
  );
}

function isDns({ protocol = "TCP", port, endPort }: NetworkPolicyPort): boolean {
  if (protocol !== "UDP") return false;
  if (port === undefined || port === "dns" || port === "domain") return true;
  return typeof port === "number" && port <= 53 && (endPort ?? port) >= 53;
}
