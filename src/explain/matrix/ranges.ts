// The world outside, as far as policies tell it apart: every range that one of them names, and the rest.
import { soundSpec } from "../../api/sound-policy.ts";
import {
  type Cidr,
  cidrCovers,
  cidrRange,
  formatCidr,
  formatIp,
  looseCidr,
  subtractRanges,
} from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { End } from "../ends.ts";

/** Returns the ranges that policies name in ipBlocks, cidr and except alike, each once, wider ones first. */
export function namedRanges(facts: ClusterFacts): Cidr[] {
  const found = new Map<string, Cidr>();
  for (const policy of facts.policies.values()) {
    const { ingress, egress } = soundSpec(policy);
    const peers = [
      ...(ingress ?? []).flatMap((rule) => rule.from ?? []),
      ...(egress ?? []).flatMap((rule) => rule.to ?? []),
    ];
    for (const peer of peers) {
      for (const text of [peer.ipBlock?.cidr, ...(peer.ipBlock?.except ?? [])]) {
        const cidr = looseCidr(text);
        if (cidr) found.set(formatCidr(cidr), cidr);
      }
    }
  }
  return [...found.values()].toSorted(
    (a, b) => a.family - b.family || a.length - b.length || (a.base < b.base ? -1 : a.base > b.base ? 1 : 0),
  );
}

/**
 * Returns an end for each range that policies name. A range stands for those of its addresses that no narrower range
 * names; one that has none of those is left out.
 */
export function rangeEnds(facts: ClusterFacts): End[] {
  return endsOf(namedRanges(facts));
}

/** Like rangeEnds, and an end for the rest of IPv4 (of IPv6 too, if a policy names any of it). */
export function worldEnds(facts: ClusterFacts): End[] {
  const named = namedRanges(facts);
  const whole: Cidr[] = [{ family: 4, base: 0n, length: 0 }];
  if (named.some((cidr) => cidr.family === 6)) whole.push({ family: 6, base: 0n, length: 0 });
  return endsOf([...whole, ...named.filter((cidr) => cidr.length > 0)]);
}

function endsOf(all: readonly Cidr[]): End[] {
  return all.flatMap((cidr) => {
    const inner = all.filter((other) => other !== cidr && cidrCovers(cidr, other)).map(cidrRange);
    // 0.0.0.0/8 and ::/8 hold no address of a real peer.
    const floor = {
      family: cidr.family,
      first: 0n,
      last: cidr.family === 4 ? (1n << 24n) - 1n : (1n << 120n) - 1n,
    };
    const [first] = subtractRanges(cidrRange(cidr), cidr.length === 0 ? [...inner, floor] : inner);
    if (!first) return [];
    const address = formatIp({ family: cidr.family, value: first.first });
    return [{ type: "address" as const, name: formatCidr(cidr), addresses: [address] }];
  });
}
