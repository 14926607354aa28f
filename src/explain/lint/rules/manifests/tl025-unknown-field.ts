import type { Rule } from "../../rule.ts";

/** Found while manifests are read, not by looking at objects. */
export const unknownField: Rule = {
  id: "TL025",
  name: "unknown-field",
  severity: "warning",
  summary: "an object has a field that its kind does not know",
  explanation:
    "An API server drops such a field without a word, unless the client asks for strict checks, as kubectl does by " +
    "default. A mistyped selector or rule is then as good as absent, which in a policy can mean everybody.",
  check: () => [],
};
