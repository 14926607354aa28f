// Which foreign rules change what our plan promises: found by trying flows that together touch every range that any
// rule or setting names.
import { cidrsOverlap, formatIp, type IpRange, parseIp } from "../../../base/ip.ts";
import { decideSnat } from "../decide.ts";
import type { SnatPlan } from "../types.ts";
import { foreignNatEffect } from "./effect.ts";
import type { ForeignRule, ForeignRules } from "./types.ts";

/** Stand for "anywhere else" (RFC 5737 and RFC 3849 ranges, and one of each private range). */
const anywhere = [
  "203.0.113.77",
  "198.51.100.77",
  "10.254.254.77",
  "172.31.254.77",
  "192.168.254.77",
  "2001:db8::77",
];
const mostPods = 50;

/** Returns the rules that translate a connection which the plan leaves as it is. */
export function rulesInTheWay(plan: SnatPlan, foreign: ForeignRules): ReadonlySet<ForeignRule> {
  const pods = podSamples(plan);
  const others = [...anywhere, ...namedSamples(plan, foreign)].filter((text) => !isPods(plan, text));
  const flows = [
    ...pods.flatMap((source) => [...others, ...pods].map((destination) => ({ source, destination }))),
    ...others.flatMap((source) => pods.map((destination) => ({ source, destination }))),
  ];
  const out = new Set<ForeignRule>();
  for (const flow of flows) {
    if (parseIp(flow.source).family !== parseIp(flow.destination).family || flow.source === flow.destination)
      continue;
    if (decideSnat(plan, flow).action !== "None") continue;
    const { rule } = foreignNatEffect(foreign, flow);
    if (rule && !ownRange(plan, rule, flow.source)) out.add(rule);
  }
  return out;
}

/** A bridge that masquerades its own range, which is no pods', calls whom it likes. */
function ownRange(plan: SnatPlan, rule: ForeignRule, source: string): boolean {
  return rule.match.source?.not === false && !isPods(plan, source);
}

function podSamples(plan: SnatPlan): string[] {
  const out = new Set<string>();
  for (const family of [4, 6] as const) {
    for (const { first, last } of plan.ranges[family]) {
      const value = first + 5n <= last ? first + 5n : first;
      out.add(formatIp({ family, value }));
      // Another one, far away: rules that name one node's part of a range treat the two differently.
      out.add(formatIp({ family, value: (first + last) >> 1n }));
    }
  }
  for (const address of [...plan.pods.keys()].slice(0, mostPods)) out.add(address);
  return [...out];
}

/** One address of each range that a rule or the configuration names. */
function namedSamples(plan: SnatPlan, foreign: ForeignRules): string[] {
  const { config } = plan.config;
  const cidrs = [
    ...(config?.nonMasquerade ?? []).map(({ cidr }) => cidr),
    ...(config?.masquerade ?? []).map(({ cidr }) => cidr),
    ...foreign.chains.flatMap(({ rules }) =>
      rules.flatMap(({ match }) => [match.source?.value ?? [], match.destination?.value ?? []].flat()),
    ),
  ].filter(
    (cidr, at, all) => all.findIndex((one) => cidrsOverlap(one, cidr) && one.length === cidr.length) === at,
  );
  return cidrs.map((cidr) => formatIp({ family: cidr.family, value: cidr.base + 9n }));
}

function isPods(plan: SnatPlan, text: string): boolean {
  const { family, value } = parseIp(text);
  return plan.inside[family].some((range: IpRange) => range.first <= value && value <= range.last);
}
