import type { IPPool } from "../../../../api/kinds/ip-pool.ts";
import { type Cidr, cidrsOverlap, formatCidr, hostRange } from "../../../../base/ip.ts";
import { nodeIps } from "../../../../plan/facts.ts";
import type { Rule } from "../../rule.ts";
import { type LintView, range } from "../../view.ts";
import { nameOf, type Written } from "../../written.ts";

export const poolOverlap: Rule = {
  id: "TL019",
  name: "pool-overlap",
  severity: "error",
  summary: "an address pool overlaps another pool, the nodes' addresses, or a range that cannot be used",
  explanation:
    "Pods' addresses must be nobody else's. A pool over the nodes' network makes nodes unreachable for pods; two " +
    "pools over each other give one address to two pods; link-local and multicast addresses are never routed.",
  *check(view) {
    const pools = view.written.filter(isPool);
    for (const [index, pool] of pools.entries()) {
      const cidr = range(pool.object.spec.cidr);
      if (!cidr) continue;
      for (const taken of takenBy(view, pools.slice(0, index))) {
        if (!cidrsOverlap(cidr, taken.cidr)) continue;
        yield {
          on: pool,
          path: ["spec", "cidr"],
          message: `${formatCidr(cidr)} overlaps ${formatCidr(taken.cidr)} of ${taken.owner}`,
          fix: "Choose a private range that nothing else uses.",
        };
      }
    }
  },
};

function isPool(item: Written): item is Written<IPPool> {
  return item.object.kind === "IPPool" && Reflect.has(item.object, "spec");
}

const reserved = [
  ["169.254.0.0/16", "link-local addresses (RFC 3927)"],
  ["224.0.0.0/4", "multicast (RFC 5771)"],
  ["127.0.0.0/8", "loopback (RFC 1122)"],
  ["fe80::/10", "link-local addresses (RFC 4291)"],
  ["ff00::/8", "multicast (RFC 4291)"],
] as const;

function takenBy(view: LintView, others: readonly Written<IPPool>[]): { cidr: Cidr; owner: string }[] {
  const fixed = reserved.map(([text, owner]) => ({ text, owner: owner as string }));
  const pools = others.map((pool) => ({ text: pool.object.spec.cidr, owner: nameOf(pool.object) }));
  const nodes = [...view.facts.nodes.values()].flatMap((node) =>
    nodeIps(node).map((ip) => ({ text: hostRange(ip), owner: nameOf(node) })),
  );
  return [...fixed, ...pools, ...nodes].flatMap(({ text, owner }) => {
    const cidr = range(text);
    return cidr ? [{ cidr, owner }] : [];
  });
}
