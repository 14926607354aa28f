// BGPFilters as rules for one session, and what they say to a route: the same rules are written for BIRD.
import { parseAsNumber } from "../../../api/as-number.ts";
import { parseCommunity } from "../../../api/bgp-words.ts";
import type { BGPFilterRule } from "../../../api/kinds/routing/bgp.ts";
import { cidrCovers, tryParseCidr } from "../../../base/ip.ts";
import { opensGuard } from "../../../bird/config/filter-text.ts";
import {
  BIRD_METRIC,
  type Community,
  type FilterOperation,
  type FilterRule,
  type RuleList,
} from "../../../bird/config/types.ts";
import type { ClusterFacts } from "../../facts.ts";
import { whyNotRule } from "./rule-words.ts";
import type { Session } from "./sessions.ts";

/** Returns the rules that decide what a session lets in or out, in order. */
export function rulesFor(facts: ClusterFacts, session: Session, direction: "import" | "export"): RuleList {
  const type = session.localAS === session.peerAS ? "iBGP" : "eBGP";
  const field = `${direction}V${session.family}` as const;
  const rules: FilterRule[] = [];
  for (const name of session.filters) {
    const filter = facts.bgpFilters.get(name);
    // Nobody knows what it was to hold back.
    if (!filter) return { closed: true, rules: [] };
    for (const [at, rule] of (filter.spec[field] ?? []).entries()) {
      if (rule.peerType !== undefined && rule.peerType !== type) continue;
      const label = `BGPFilter/${name} ${field}[${at}]`;
      // BIRD would refuse its whole configuration for it, or do what else stands there.
      const wrong = whyNotRule(rule, session.family);
      if (wrong !== undefined) return { closed: true, rules: [], why: `${label} ${wrong}: nothing passes` };
      rules.push(readRule(rule, label));
    }
  }
  return { closed: false, rules };
}

/** Returns the filters that a session names and that do not exist. */
export function missingFilters(facts: ClusterFacts, session: Session): string[] {
  return session.filters.filter((name) => !facts.bgpFilters.has(name));
}

function readRule(rule: BGPFilterRule, label: string): FilterRule {
  const { min, max } = rule.prefixLength ?? {};
  const asNumbers = (list: readonly (number | string)[]) => list.flatMap((one) => parseAsNumber(one) ?? []);
  return {
    label,
    accept: rule.action === "Accept",
    ...(rule.cidr !== undefined && {
      net: {
        operator: rule.matchOperator ?? "In",
        cidr: rule.cidr,
        ...(min !== undefined && { min }),
        ...(max !== undefined && { max }),
      },
    }),
    ...(rule.source === "RemotePeers" && { fromPeers: true }),
    ...(rule.interface !== undefined && { interface: rule.interface }),
    ...(rule.priority !== undefined && { priority: rule.priority }),
    ...(rule.asPathPrefix && { asPathPrefix: asNumbers(rule.asPathPrefix) }),
    ...(rule.communities && { communities: rule.communities.values.flatMap(toCommunity) }),
    operations: (rule.operations ?? []).flatMap((operation): FilterOperation[] => {
      if ("addCommunity" in operation)
        return toCommunity(operation.addCommunity.value).map((community) => ({
          type: "addCommunity",
          community,
        }));
      if ("prependASPath" in operation)
        return [{ type: "prependPath", path: asNumbers(operation.prependASPath.prefix) }];
      return [{ type: "setPriority", metric: operation.setPriority.value }];
    }),
  };
}

function toCommunity(text: string): Community[] {
  const found = parseCommunity(text);
  return found ? [found] : [];
}

/** A route as a peer tells it. */
export interface HeardRoute {
  readonly prefix: string;
  readonly asPath: readonly number[];
  readonly communities: readonly Community[];
  readonly interface?: string;
}

export interface Verdict {
  readonly accepted: boolean;
  /** The rule or guard that decided. */
  readonly why: string;
}

export interface Guard {
  readonly cidr: string;
  /** Whose range it is: `pool default`. */
  readonly of: string;
}

/** Returns whether a session takes a route in, and what decides. */
export function judgeImport(
  list: RuleList,
  route: HeardRoute,
  options: {
    readonly outside: boolean;
    readonly guards: readonly Guard[];
    readonly missing: readonly string[];
  },
): Verdict {
  if (list.closed) {
    const missing = `BGPFilter ${options.missing.join(", ")} does not exist: nothing passes`;
    return { accepted: false, why: list.why ?? missing };
  }
  const guard = options.outside ? guardOf(route.prefix, options.guards) : undefined;
  for (const rule of list.rules) {
    if (!matches(rule, route)) continue;
    if (!rule.accept) return { accepted: false, why: `${rule.label} rejects it` };
    if (guard !== undefined && !opensGuard(rule))
      return {
        accepted: false,
        why: `${guard}; ${rule.label} accepts it, but does not name the range (cidr with In or Equal)`,
      };
    return { accepted: true, why: `${rule.label} accepts it` };
  }
  return guard === undefined
    ? { accepted: true, why: "no filter speaks against it" }
    : { accepted: false, why: `${guard}; only a BGPFilter that names the range lets it in` };
}

/** Returns why nobody outside may announce a prefix, if it is so. */
export function guardOf(prefix: string, guards: readonly Guard[]): string | undefined {
  const range = tryParseCidr(prefix);
  if (!range) return undefined;
  if (range.length === 0) return "a default route from outside is not taken";
  for (const guard of guards) {
    const own = tryParseCidr(guard.cidr);
    if (!own) continue;
    if (cidrCovers(own, range)) return `it lies in ${guard.cidr} of ${guard.of}`;
    if (cidrCovers(range, own)) return `it covers ${guard.cidr} of ${guard.of}`;
  }
  return undefined;
}

/** Returns whether a rule is about a route that was heard from a peer. */
function matches(rule: FilterRule, route: HeardRoute): boolean {
  if (rule.net && !matchesNet(rule.net, route.prefix)) return false;
  if (rule.interface !== undefined && !like(rule.interface, route.interface ?? "")) return false;
  // What has just been heard has no metric yet but the usual one.
  if (rule.priority !== undefined && rule.priority !== BIRD_METRIC) return false;
  const start = rule.asPathPrefix ?? [];
  if (start.some((number, at) => route.asPath[at] !== number)) return false;
  const known = new Set(route.communities.map((one) => one.join(":")));
  return (rule.communities ?? []).every((one) => known.has(one.join(":")));
}

function matchesNet(net: NonNullable<FilterRule["net"]>, prefix: string): boolean {
  const range = tryParseCidr(prefix);
  const own = tryParseCidr(net.cidr);
  if (!range || !own) return false;
  const fits = range.length >= (net.min ?? 0) && range.length <= (net.max ?? 128);
  const inside = cidrCovers(own, range);
  const equal = inside && own.length === range.length;
  switch (net.operator) {
    case "In":
      return inside && fits;
    case "NotIn":
      return !(inside && fits);
    case "Equal":
      return equal && fits;
    case "NotEqual":
      return !(equal && fits);
  }
}

function like(pattern: string, text: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`).test(text);
}
