import type { Rule } from "../../rule.ts";

/** Found while manifests are read, not by looking at objects. */
export const nothingBehind: Rule = {
  id: "TL027",
  name: "nothing-behind",
  severity: "error",
  summary: "a label's name has nothing behind it, in a selector or among labels",
  explanation:
    "Plain kubectl apply drops the entry; kubectl create, replace and apply --server-side store an empty text. In a " +
    "selector that is the difference between all pods and those with an empty label.",
  check: () => [],
};
