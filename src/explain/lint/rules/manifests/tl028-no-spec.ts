import type { Rule } from "../../rule.ts";

/** Found while manifests are read, not by looking at objects: a server stores the spec that is missing. */
export const noSpec: Rule = {
  id: "TL028",
  name: "no-spec",
  severity: "warning",
  summary: "a NetworkPolicy has no spec, and so isolates its whole namespace",
  explanation:
    "Servers take it: its empty podSelector selects every pod of the namespace, and as it has no rules, nothing comes in.",
  check: () => [],
};
