import type { Rule } from "../../rule.ts";

/** Found while manifests are read, not by looking at objects. */
export const badObject: Rule = {
  id: "TL024",
  name: "bad-object",
  severity: "error",
  summary: "an object holds a value that no API server accepts",
  explanation: "The object cannot be applied, and nothing else of the same kubectl or trunkline apply is.",
  check: () => [],
};
