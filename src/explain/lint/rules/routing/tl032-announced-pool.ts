import type { BGPConfiguration, BGPFilter } from "../../../../api/kinds/routing/bgp.ts";
import { cidrsOverlap, formatCidr } from "../../../../base/ip.ts";
import type { Path } from "../../../../base/problem.ts";
import type { Rule } from "../../rule.ts";
import { range } from "../../view.ts";
import { nameOf, type Written } from "../../written.ts";

export const announcedPool: Rule = {
  id: "TL032",
  name: "announced-pool",
  severity: "warning",
  summary: "a pool overlaps what peers may announce by a filter, or what nodes announce for Services",
  explanation:
    "Routes from outside into pods' ranges are refused unless a BGPFilter names the range; then a longer prefix of a peer " +
    "takes pods' packets away from them. Ranges of Services are announced by every node, pods' by their own node only.",
  *check(view) {
    const pools = [...view.facts.pools.values()].flatMap((pool) => {
      const cidr = range(pool.spec.cidr);
      return cidr ? [{ cidr, name: nameOf(pool) }] : [];
    });
    for (const on of view.written)
      for (const { text, path, what } of announced(on)) {
        const cidr = range(text);
        for (const pool of pools)
          if (cidr && cidrsOverlap(cidr, pool.cidr))
            yield {
              on,
              path,
              message: `${text} ${what}, and overlaps ${formatCidr(pool.cidr)} of ${pool.name}`,
            };
      }
  },
};

function* announced(on: Written): Generator<{ text: string; path: Path; what: string }> {
  if (!Reflect.has(on.object, "spec")) return;
  if (on.object.kind === "BGPFilter") {
    const { spec } = on.object as BGPFilter;
    for (const field of ["importV4", "importV6"] as const)
      for (const [at, rule] of (spec[field] ?? []).entries()) {
        const names = rule.matchOperator === "In" || rule.matchOperator === "Equal";
        if (rule.action === "Accept" && names && rule.cidr !== undefined)
          yield { text: rule.cidr, path: ["spec", field, at, "cidr"], what: "is taken from peers" };
      }
  }
  if (on.object.kind !== "BGPConfiguration") return;
  const { spec } = on.object as BGPConfiguration;
  for (const field of ["serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"] as const)
    for (const [at, { cidr }] of (spec[field] ?? []).entries())
      yield { text: cidr, path: ["spec", field, at, "cidr"], what: "is announced for Services" };
}
