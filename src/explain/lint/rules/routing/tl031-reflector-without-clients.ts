import { nodeAnnotations } from "../../../../api/kinds/routing/node-annotations.ts";
import { routingFindings } from "../../../../plan/routing/bird/findings.ts";
import type { Rule } from "../../rule.ts";

export const reflectorWithoutClients: Rule = {
  id: "TL031",
  name: "reflector-without-clients",
  severity: "warning",
  summary: "a node is a route reflector by its annotation, and no node is its client",
  explanation:
    "The annotation takes the node out of the mesh. Without a BGPPeer that makes others peer with it, nobody hears of its " +
    "pods. Clients are peer nodes of its AS that have another cluster id or none.",
  *check(view) {
    for (const on of view.written) {
      if (on.object.kind !== "Node") continue;
      const found = routingFindings(view.facts, on.object.metadata.name);
      for (const { code, message } of found)
        if (code === "reflector-without-clients" || code === "bad-cluster-id")
          yield {
            on,
            path: ["metadata", "annotations", nodeAnnotations.reflectorClusterId],
            message,
            ...(code === "reflector-without-clients" && {
              fix: "Apply a BGPPeer whose peerSelector selects this node.",
            }),
          };
    }
  },
};
