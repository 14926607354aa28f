import type { Rule } from "../../rule.ts";

/** Found while manifests are read, not by looking at objects. */
export const unknownKind: Rule = {
  id: "TL026",
  name: "unknown-kind",
  severity: "info",
  summary: "a kind or version that Trunkline does not know; a mistyped one looks the same",
  explanation: "What this object does to pods and policies is not part of the findings.",
  check: () => [],
};
