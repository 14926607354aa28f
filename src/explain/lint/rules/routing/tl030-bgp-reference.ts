import type { BGPConfiguration, BGPPeer, SecretReference } from "../../../../api/kinds/routing/bgp.ts";
import type { RoutingConfiguration } from "../../../../api/kinds/routing/routing-configuration.ts";
import type { Path } from "../../../../base/problem.ts";
import { passwordOf } from "../../../../plan/routing/bird/settings.ts";
import type { Rule } from "../../rule.ts";

export const bgpReference: Rule = {
  id: "TL030",
  name: "bgp-reference",
  severity: "warning",
  summary: "routing names a BGPFilter, Secret or key of a Secret that is not there",
  explanation:
    "Without its Secret a session is not configured, and without a filter that it names nothing passes it either way: " +
    "nobody knows what they were to keep out. Secrets are looked for in kube-system.",
  *check(view) {
    for (const on of view.written) {
      if (!Reflect.has(on.object, "spec")) continue;
      const found = referenceOf(on.object);
      if (found) {
        const password = passwordOf(view.facts, found.reference);
        const path = [...found.path, "secretKeyRef"];
        if (password.state === "missing") yield { on, path, message: password.why };
      }
      if (on.object.kind !== "BGPPeer") continue;
      for (const [at, name] of ((on.object as BGPPeer).spec.filters ?? []).entries())
        if (!view.facts.bgpFilters.has(name))
          yield {
            on,
            path: ["spec", "filters", at],
            severity: "error",
            message: `BGPFilter ${name} does not exist: nothing passes this peer's sessions`,
          };
    }
  },
};

function referenceOf(object: {
  readonly kind: string;
}): { reference: SecretReference | undefined; path: Path } | undefined {
  switch (object.kind) {
    case "BGPPeer":
      return { reference: (object as BGPPeer).spec.password, path: ["spec", "password"] };
    case "BGPConfiguration":
      return {
        reference: (object as BGPConfiguration).spec.nodeMeshPassword,
        path: ["spec", "nodeMeshPassword"],
      };
    case "RoutingConfiguration":
      return {
        reference: (object as RoutingConfiguration).spec.rip?.password,
        path: ["spec", "rip", "password"],
      };
    default:
      return undefined;
  }
}
