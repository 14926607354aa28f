// A session's two filters. The order inside a rule: what it matches, whether that is enough for what is guarded, what it
// changes, and the verdict.
import { tryParseCidr } from "../../base/ip.ts";
import { type FilterOperation, type FilterRule, OUTSIDE_MARK, type SessionConfig } from "./types.ts";
import { communityAttribute, pair, quoted } from "./words.ts";

const [OWNER, KIND] = OUTSIDE_MARK;
const ALL_MARKS = `[(${OWNER}, ${KIND}, *)]`;
const IS_OUTSIDE = `(${pair(OUTSIDE_MARK)} ~ bgp_large_community)`;

/** Returns the definitions of `in_NAME` and `out_NAME`. */
export function sessionFilters(session: SessionConfig, family: 4 | 6): string[] {
  return [
    `filter in_${session.name} {`,
    ...indented(importBody(session, family)),
    "}",
    `filter out_${session.name} {`,
    ...indented(exportBody(session, family)),
    "}",
  ];
}

function importBody({ outside, import: list }: SessionConfig, family: 4 | 6): string[] {
  if (list.closed) return ["reject;"];
  if (!outside) return [...list.rules.flatMap((rule) => ruleText(rule, family, [])), "accept;"];
  const guard = [`if guarded${family}() then reject;`];
  // Nobody outside can forge the cluster's own mark.
  const mark = `bgp_large_community.add(${pair(OUTSIDE_MARK)});`;
  return [
    `bgp_large_community.delete(${ALL_MARKS});`,
    ...list.rules.flatMap((rule) => ruleText(rule, family, opensGuard(rule) ? [] : guard, [mark])),
    ...guard,
    mark,
    "accept;",
  ];
}

function exportBody({ outside, export: list }: SessionConfig, family: 4 | 6): string[] {
  if (list.closed) return ["reject;"];
  const head = [`if !leaves${family}() then reject;`, `mark${family}();`];
  if (!outside) return [...head, ...list.rules.flatMap((rule) => ruleText(rule, family, [])), "accept;"];
  const clean = `bgp_large_community.delete(${ALL_MARKS});`;
  const guard = [`if ${IS_OUTSIDE} then reject;`];
  return [
    ...head,
    ...list.rules.flatMap((rule) => ruleText(rule, family, rule.fromPeers === true ? [] : guard, [clean])),
    ...guard,
    clean,
    "accept;",
  ];
}

/** Returns whether a rule that accepts may let in what is guarded: it must name the range. */
export function opensGuard({ net }: FilterRule): boolean {
  return net !== undefined && (net.operator === "In" || net.operator === "Equal");
}

function ruleText(
  rule: FilterRule,
  family: 4 | 6,
  guard: readonly string[],
  last: readonly string[] = [],
): string[] {
  const steps = rule.accept ? [...guard, ...operations(rule), ...last, "accept;"] : ["reject;"];
  return [`# ${rule.label}`, `if ${conditions(rule, family)} then {`, ...indented(steps), "}"];
}

function conditions(rule: FilterRule, family: 4 | 6): string {
  const all = [
    ...netConditions(rule.net),
    ...(rule.fromPeers === true ? ["source = RTS_BGP"] : []),
    ...(rule.interface === undefined ? [] : [`ifname ~ ${quoted(rule.interface)}`]),
    ...(rule.priority === undefined ? [] : [`priority${family}() = ${rule.priority}`]),
    ...(rule.asPathPrefix === undefined ? [] : [`bgp_path ~ [= ${[...rule.asPathPrefix, "*"].join(" ")} =]`]),
    ...(rule.communities ?? []).map((value) => `${pair(value)} ~ ${communityAttribute(value)}`),
  ];
  return all.length === 0 ? "true" : all.map((one) => `(${one})`).join(" && ");
}

function netConditions(net: FilterRule["net"]): string[] {
  if (!net) return [];
  const { operator, cidr, min, max } = net;
  const bits = tryParseCidr(cidr)?.family === 6 ? 128 : 32;
  const lengths =
    min === undefined && max === undefined ? [] : [`net.len >= ${min ?? 0}`, `net.len <= ${max ?? bits}`];
  const base = operator === "In" || operator === "NotIn" ? `net ~ [ ${cidr}+ ]` : `net = ${cidr}`;
  const all = [base, ...lengths].map((one) => `(${one})`).join(" && ");
  return [operator === "NotIn" || operator === "NotEqual" ? `!(${all})` : all];
}

function operations({ operations: list }: FilterRule): string[] {
  return list.flatMap(operationText);
}

function operationText(operation: FilterOperation): string[] {
  switch (operation.type) {
    case "addCommunity":
      return [`${communityAttribute(operation.community)}.add(${pair(operation.community)});`];
    case "prependPath":
      // The last one that is put in front stands first.
      return operation.path.toReversed().map((number) => `bgp_path.prepend(${number});`);
    case "setPriority":
      return [`krt_metric = ${operation.metric};`];
  }
}

function indented(body: readonly string[]): string[] {
  return body.map((line) => `  ${line}`);
}
