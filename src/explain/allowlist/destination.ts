// The ends that an AddressList's destination stands for: one for each address of a host, and of a range one address for each
// part of it that any object tells apart from the next.
import {
  type Cidr,
  cidrContains,
  cidrRange,
  formatIp,
  type Ip,
  tryParseCidr,
  tryParseIp,
} from "../../base/ip.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { defaultNonMasquerade, linkLocal4, linkLocal6, reservedRanges } from "../../plan/snat/masq-types.ts";
import { type End, endAt, findEnd } from "../ends.ts";
import type { Port } from "../ports.ts";
import { parseTarget } from "../target.ts";

export interface Destination {
  readonly ends: readonly End[];
  readonly port: Port | "icmp" | undefined;
}

/**
 * Finds the ends of `host/NAME`, `KIND/NAME` or `KIND/NAMESPACE/NAME`, an address or a range; all but the last with a port or without.
 * @throws `explain.end`, `explain.port`, `explain.unknown-end`, `explain.no-pods`
 */
export function destinationOf(facts: ClusterFacts, text: string): Destination {
  const range = tryParseIp(text) ? undefined : tryParseCidr(text);
  if (range) return { ends: pointsOf(facts, range).map((ip) => endAt(facts, formatIp(ip))), port: undefined };
  const { end: name, port } = parseTarget(text);
  const end = findEnd(facts, name, "default");
  return { ends: perAddress(end), port };
}

/** Returns an end once with each of its addresses: who names a host may speak to any of them, and rules may tell them apart. */
export function perAddress(end: End): readonly End[] {
  return end.addresses.length > 1 ? end.addresses.map((one) => ({ ...end, addresses: [one] })) : [end];
}

/** Returns whether where a destination is depends on pods. */
export function isPods({ ends }: Destination): boolean {
  return ends.some(({ type }) => type === "pod");
}

/** Where a rule's range begins, and what follows its end: between two such addresses nothing changes. */
function pointsOf(facts: ClusterFacts, range: Cidr): Ip[] {
  const points = new Set([range.base]);
  for (const cidr of namedRanges(facts)) {
    if (cidr.family !== range.family) continue;
    const { first, last } = cidrRange(cidr);
    for (const value of [first, last + 1n])
      if (cidrContains(range, { family: range.family, value })) points.add(value);
  }
  return [...points].toSorted((a, b) => (a < b ? -1 : 1)).map((value) => ({ family: range.family, value }));
}

/** Every address and range that stands in an object by which sources are translated, wherever in it. */
function namedRanges(facts: ClusterFacts): Cidr[] {
  const { sourceNats, configMaps, pools, blocks, subnets, serviceCidrs, nodes } = facts;
  const texts = [
    ...defaultNonMasquerade,
    ...reservedRanges,
    linkLocal4,
    linkLocal6,
    ...[sourceNats, configMaps, serviceCidrs].flatMap((map) => [...map.values()].flatMap(wordsOf)),
    ...[pools, blocks, subnets].flatMap((map) => [...map.values()].map(({ spec }) => spec.cidr)),
    ...[...nodes.values()].flatMap((node) => [...nodeIps(node), ...wordsOf(node.spec)]),
  ];
  return [...new Set(texts)].flatMap((text) => {
    const ip = tryParseIp(text);
    return ip
      ? { family: ip.family, base: ip.value, length: ip.family === 4 ? 32 : 128 }
      : (tryParseCidr(text) ?? []);
  });
}

function wordsOf(object: object | undefined): string[] {
  return JSON.stringify(object ?? {}).match(/[\da-fA-F:.]*[:.][\da-fA-F:.]*(\/\d{1,3})?/g) ?? [];
}
