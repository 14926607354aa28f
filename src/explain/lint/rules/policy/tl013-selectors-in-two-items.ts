import { stringify } from "yaml";
import { kubectlScalars } from "../../../../api/manifest/scalars.ts";
import { formatSelector } from "../../../policies/selectors.ts";
import type { Rule } from "../../rule.ts";

export const selectorsInTwoItems: Rule = {
  id: "TL013",
  name: "selectors-in-two-items",
  severity: "info",
  summary: "a namespaceSelector and a podSelector stand in two list items: OR, where AND may be meant",
  explanation:
    "Two items of a peer list are alternatives: all pods of those namespaces, or those pods of this namespace. Both " +
    "selectors in one item mean those pods of those namespaces. One dash makes the difference.",
  *check(view) {
    for (const policy of view.policies) {
      for (const rule of policy.rules) {
        for (const [index, peer] of (rule.peers ?? []).entries()) {
          const next = rule.peers?.[index + 1];
          const spaces = peer?.namespaceSelector ?? next?.namespaceSelector;
          const pods = peer?.podSelector ?? next?.podSelector;
          const split = Boolean(peer?.namespaceSelector) !== Boolean(next?.namespaceSelector);
          if (!peer || !next || !spaces || !pods || !split) continue;
          if (Boolean(peer.podSelector) === Boolean(next.podSelector)) continue;
          // That the own namespace has no such pods is a sign that pods of the other namespaces were meant.
          const alone = view.subjects.some((subject) =>
            view.peerMatches({ podSelector: pods }, policy.namespace, subject),
          );
          const doubtful = view.subjects.length > 0 && !alone;
          yield {
            on: policy.on,
            path: [...rule.path, rule.peersKey, index + 1],
            ...(doubtful ? { severity: "warning" as const } : {}),
            message:
              `these two items allow every pod in namespaces ${formatSelector(spaces)}, or pods ` +
              `${formatSelector(pods)} in namespace ${policy.namespace}${doubtful ? " (which has none)" : ""}`,
            fix: "If only such pods of such namespaces are meant, put both selectors into one item.",
            change: { what: "join", path: [...rule.path, rule.peersKey, index + 1] },
            corrected: stringify(
              { [rule.peersKey]: [{ namespaceSelector: spaces, podSelector: pods }] },
              layout,
            ),
          };
        }
      }
    }
  },
};

const layout = { ...kubectlScalars, indentSeq: false, aliasDuplicateObjects: false };
