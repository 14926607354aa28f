import type { Node } from "../../../../api/kinds/core.ts";
import { nodeAnnotation, nodeAnnotations } from "../../../../api/kinds/routing/node-annotations.ts";
import type { Path } from "../../../../base/problem.ts";
import { sharedAddresses } from "../../../../plan/routing/node-address.ts";
import type { Rule } from "../../rule.ts";

export const nodeAddressShared: Rule = {
  id: "TL033",
  name: "node-address-shared",
  severity: "error",
  summary: "several nodes use one address for routes and sessions",
  explanation:
    "Routes to pods lead to the node's address: with one address for two nodes they end on either, and the two have no BGP " +
    "session with each other. The address is what the annotation projectcalico.org/IPv4Address says, else the InternalIP.",
  *check(view) {
    for (const family of [4, 6] as const)
      for (const [address, names] of sharedAddresses(view.facts, family))
        for (const on of view.written) {
          const { name } = on.object.metadata;
          if (on.object.kind !== "Node" || !names.includes(name)) continue;
          const others = names.filter((one) => one !== name).map((one) => `node/${one}`);
          if (others.length === 0) continue;
          yield {
            on,
            path: placeOf(on.object as Node, family),
            message: `${address} is also the address of ${others.join(", ")}`,
          };
        }
  },
};

function placeOf(node: Node, family: 4 | 6): Path {
  const name = family === 4 ? "ipv4Address" : "ipv6Address";
  return nodeAnnotation(node, name) === undefined
    ? ["status", "addresses"]
    : ["metadata", "annotations", nodeAnnotations[name]];
}
