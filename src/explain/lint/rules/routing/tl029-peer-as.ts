import { parseAsNumber } from "../../../../api/as-number.ts";
import { parsePeerAddress } from "../../../../api/bgp-words.ts";
import type { BGPPeer } from "../../../../api/kinds/routing/bgp.ts";
import { nodeAs } from "../../../../plan/routing/bird/settings.ts";
import { nodeAddress } from "../../../../plan/routing/node-address.ts";
import type { Rule } from "../../rule.ts";
import type { Written } from "../../written.ts";
import { nameOf } from "../../written.ts";

export const peerAs: Rule = {
  id: "TL029",
  name: "peer-as",
  severity: "warning",
  summary: "a BGPPeer puts its peer into an AS that the peer is not in by other objects",
  explanation:
    "A session with the wrong AS number never stands. A node's AS is its annotation's or BGPConfiguration's, whatever a " +
    "BGPPeer with the node's address says; and one router cannot be in two.",
  *check(view) {
    const seen = new Map<string, { as: number; by: string }>();
    for (const on of view.written.filter(isPeer)) {
      const { peerIP = "", asNumber } = on.object.spec;
      const address = parsePeerAddress(peerIP);
      const as = asNumber === undefined ? undefined : parseAsNumber(asNumber);
      if (!address || as === undefined) continue;
      const path = ["spec", "asNumber"];
      const node = [...view.facts.nodes.values()].find(
        (one) => nodeAddress(view.facts, one, address.ip.family)?.address === address.address,
      );
      if (node) {
        const own = nodeAs(view.facts, node);
        if (own !== as)
          yield { on, path, message: `${peerIP} is ${nameOf(node)}, which is in AS ${own}, not ${as}` };
        continue;
      }
      const key = `${address.address} ${address.port ?? 179}`;
      const before = seen.get(key);
      if (before && before.as !== as)
        yield { on, path, message: `${peerIP} is in AS ${before.as} by ${before.by}, and in AS ${as} here` };
      seen.set(key, before ?? { as, by: nameOf(on.object) });
    }
  },
};

function isPeer(item: Written): item is Written<BGPPeer> {
  return item.object.kind === "BGPPeer" && Reflect.has(item.object, "spec");
}
