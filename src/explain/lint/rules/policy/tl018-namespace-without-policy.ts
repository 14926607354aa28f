import { templateOf } from "../../../manifests/workloads.ts";
import type { Rule } from "../../rule.ts";
import type { LintView } from "../../view.ts";
import { unwritten, type Written } from "../../written.ts";

export const namespaceWithoutPolicy: Rule = {
  id: "TL018",
  name: "namespace-without-policy",
  severity: "info",
  summary: "a namespace has pods and no policy",
  explanation: "Pods that no policy selects accept connections from everywhere and may connect everywhere.",
  *check(view) {
    const governed = new Set(view.policies.map((policy) => policy.namespace));
    for (const name of new Set(view.subjects.map((subject) => subject.namespace))) {
      if (governed.has(name) || name === "kube-system") continue;
      const on = placeOf(view, name);
      const count = view.subjectsIn(name).length;
      yield {
        on,
        path: on.object.kind === "Namespace" ? ["metadata", "name"] : ["metadata"],
        message: `namespace ${name} has ${count} pod${count === 1 ? " or workload" : "s and workloads"} and no policy: all of them are open`,
        fix: "Start with a policy that denies all ingress, and add what is needed.",
        corrected: `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny-ingress
  namespace: ${name}
spec:
  podSelector: {}
  policyTypes:
  - Ingress
`,
      };
    }
  },
};

/** The Namespace object if it is written somewhere, else the first thing that lives in it. */
function placeOf(view: LintView, name: string): Written {
  const declared = view.written.find(
    (item) => item.object.kind === "Namespace" && item.object.metadata.name === name,
  );
  if (declared) return declared;
  const pods = view.written.find(
    ({ object }) =>
      (object.metadata.namespace ?? "default") === name &&
      (object.kind === "Pod" || templateOf(object) !== undefined),
  );
  const metadata = { name, uid: "", resourceVersion: "", creationTimestamp: "" };
  return pods ?? unwritten({ apiVersion: "v1", kind: "Namespace", metadata });
}
