// What a rule of a BGPFilter says, looked at before it is written for BIRD: an API server may have stored it before its schema
// said what may stand there, or by another schema. A rule that is half understood would let through what it was to hold back.
import { parseAsNumber } from "../../../api/as-number.ts";
import { interfaceForm, mostMetric, parseCommunity } from "../../../api/bgp-words.ts";
import type { BGPFilterRule, FilterOperation } from "../../../api/kinds/routing/bgp.ts";
import { type Family, familyBits, tryParseCidr } from "../../../base/ip.ts";
import { isWhole } from "../../../base/whole.ts";

/** Returns what of a rule cannot be told to BIRD, in words that follow its name; undefined: nothing. */
export function whyNotRule(rule: BGPFilterRule, family: Family): string | undefined {
  if (rule.cidr !== undefined && tryParseCidr(rule.cidr)?.family !== family)
    return `has no IPv${family} range ('${rule.cidr}')`;
  const bits = familyBits(family);
  const { min = 0, max = bits } = rule.prefixLength ?? {};
  const bad =
    unknownWord(rule) ??
    (isWhole(min, 0, bits) && isWhole(max, 0, bits) ? undefined : "prefixLength") ??
    (rule.interface === undefined || interfaceForm.test(rule.interface) ? undefined : "interface") ??
    (rule.priority === undefined || isWhole(rule.priority, 1, mostMetric) ? undefined : "priority") ??
    (areAsNumbers(rule.asPathPrefix ?? []) ? undefined : "asPathPrefix") ??
    (areCommunities(rule.communities?.values ?? []) ? undefined : "communities") ??
    ((rule.operations ?? []).every(isOperation) ? undefined : "operations");
  return bad === undefined ? undefined : `has a ${bad} that cannot be read`;
}

const words: Readonly<Record<string, readonly string[]>> = {
  action: ["Accept", "Reject"],
  matchOperator: ["In", "NotIn", "Equal", "NotEqual"],
  source: ["RemotePeers"],
  peerType: ["eBGP", "iBGP"],
};

function unknownWord(rule: BGPFilterRule): string | undefined {
  const given = (name: string): unknown => Reflect.get(rule, name);
  return Object.keys(words).find(
    (name) => given(name) !== undefined && !words[name]?.some((word) => word === given(name)),
  );
}

function areAsNumbers(list: readonly unknown[]): boolean {
  return list.every((one) => (typeof one === "number" || typeof one === "string") && parseAsNumber(one));
}

function areCommunities(list: readonly unknown[]): boolean {
  return list.every((one) => typeof one === "string" && parseCommunity(one) !== undefined);
}

function isOperation(operation: FilterOperation): boolean {
  if ("addCommunity" in operation) return areCommunities([operation.addCommunity.value]);
  if ("prependASPath" in operation) return areAsNumbers(operation.prependASPath.prefix);
  return "setPriority" in operation && isWhole(operation.setPriority.value, 1, mostMetric);
}
