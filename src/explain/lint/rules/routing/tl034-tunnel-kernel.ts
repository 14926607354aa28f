import type { IPPool } from "../../../../api/kinds/ip-pool.ts";
import { lacksIpip, tunnelOf } from "../../../../plan/routing/tunnels.ts";
import type { Rule } from "../../rule.ts";
import type { Written } from "../../written.ts";

export const tunnelKernel: Rule = {
  id: "TL034",
  name: "tunnel-kernel",
  severity: "warning",
  summary: "a pool asks for IP in IP, and the kernel of a node does not have it",
  explanation:
    "Packets from and to such a node go as without a tunnel. Where the network between nodes drops what it does not know, " +
    "they are lost. The node says so in its condition TunnelReady.",
  *check(view) {
    const lacking = [...view.facts.nodes.values()].filter(lacksIpip).map(({ metadata }) => metadata.name);
    if (lacking.length === 0) return;
    for (const on of view.written.filter(isPool)) {
      if (tunnelOf(on.object)?.type.kind !== "ipip") continue;
      yield {
        on,
        path: ["spec", "ipipMode"],
        message: `the kernel of ${lacking.map((name) => `node/${name}`).join(", ")} has no IP in IP`,
        fix: "Use vxlanMode, or a kernel with the module ipip on these nodes.",
      };
    }
  },
};

function isPool(item: Written): item is Written<IPPool> {
  return item.object.kind === "IPPool" && Reflect.has(item.object, "spec");
}
