// The world outside, as far as policies tell it apart: every range that one of them names, and the rest.
import { podIps } from "../../api/kinds/core.ts";
import { soundSpec } from "../../api/validation/sound-policy.ts";
import {
  type Cidr,
  cidrCovers,
  cidrRange,
  formatCidr,
  formatIp,
  type IpRange,
  looseCidr,
  subtractRanges,
  tryParseIp,
} from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
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
  return endsOf(namedRanges(facts), takenIn(facts));
}

/** Like rangeEnds, and an end for the rest of IPv4 (of IPv6 too, if a policy names any of it). */
export function worldEnds(facts: ClusterFacts): End[] {
  const named = namedRanges(facts);
  const whole: Cidr[] = [{ family: 4, base: 0n, length: 0 }];
  if (named.some((cidr) => cidr.family === 6)) whole.push({ family: 6, base: 0n, length: 0 });
  return endsOf([...whole, ...named.filter((cidr) => cidr.length > 0)], takenIn(facts));
}

/** Addresses that are not like the others of their range: pods and nodes have them. As texts. */
function takenIn(facts: ClusterFacts): ReadonlySet<string> {
  const texts = [...[...facts.pods.values()].flatMap(podIps), ...[...facts.nodes.values()].flatMap(nodeIps)];
  return new Set(
    texts.flatMap((text) => {
      const ip = tryParseIp(text);
      return ip ? [formatIp(ip)] : [];
    }),
  );
}

/** Returns an address that stands for all in these parts: where some are nobody's, the first of those. */
function typical(parts: readonly IpRange[], taken: ReadonlySet<string>): string | undefined {
  for (const { family, first, last } of parts)
    for (let value = first; value <= last; value++) {
      const text = formatIp({ family, value });
      if (!taken.has(text)) return text;
    }
  // Whoever names one pod's or node's address means that one.
  const [part] = parts;
  return part && formatIp({ family: part.family, value: part.first });
}

function endsOf(all: readonly Cidr[], taken: ReadonlySet<string>): End[] {
  return all.flatMap((cidr) => {
    const inner = all.filter((other) => other !== cidr && cidrCovers(cidr, other)).map(cidrRange);
    // 0.0.0.0/8 and ::/8 hold no address of a real peer.
    const floor = {
      family: cidr.family,
      first: 0n,
      last: cidr.family === 4 ? (1n << 24n) - 1n : (1n << 120n) - 1n,
    };
    const parts = subtractRanges(cidrRange(cidr), cidr.length === 0 ? [...inner, floor] : inner);
    const address = typical(parts, taken);
    if (address === undefined) return [];
    return [{ type: "address" as const, name: formatCidr(cidr), addresses: [address] }];
  });
}
