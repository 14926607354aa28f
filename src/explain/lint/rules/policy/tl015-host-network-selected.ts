import { matchesSelector, selectsAll } from "../../../../api/selectors/selectors.ts";
import type { Rule } from "../../rule.ts";

export const hostNetworkSelected: Rule = {
  id: "TL015",
  name: "host-network-selected",
  severity: "warning",
  summary: "a policy selects pods that use their node's network",
  explanation:
    "A hostNetwork pod has no interface and no address of its own: its traffic is the node's, and NetworkPolicy does " +
    "not apply to it, neither as the selected pod nor as a peer.",
  *check(view) {
    for (const policy of view.policies) {
      const outside = view
        .subjectsIn(policy.namespace)
        .filter((subject) => subject.hostNetwork && matchesSelector(policy.selector, subject.labels));
      // A selector for all pods is meant for the others.
      const [first] = outside;
      if (!first || selectsAll(policy.selector)) continue;
      const more = outside.length > 1 ? ` and ${outside.length - 1} more` : "";
      yield {
        on: policy.on,
        path: ["spec", "podSelector"],
        message: `${first.name}${more} uses hostNetwork, so policy ${policy.name} does not protect it`,
        fix: "Protect it on the node (a host firewall), or give the pod a network of its own.",
      };
    }
  },
};
