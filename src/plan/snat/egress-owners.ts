// Addresses that no node may take for egress, as far as objects tell: somebody has them, or nobody can.
import { cidrContains, type Ip, parseCidr, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../facts.ts";
import { byName, readPodRanges, readServiceRanges } from "./ranges.ts";

/** Ranges of the families themselves (RFC 6890, RFC 1112, RFC 4291). */
const special = (
  [
    ["0.0.0.0/8", "an address of 'this network'"],
    ["127.0.0.0/8", "a loopback address"],
    ["169.254.0.0/16", "a link-local address"],
    ["224.0.0.0/4", "a multicast address"],
    ["255.255.255.255/32", "the broadcast address"],
    ["240.0.0.0/4", "a reserved address"],
    ["::/128", "no address"],
    ["::1/128", "a loopback address"],
    ["::ffff:0:0/96", "an IPv4 address written as IPv6"],
    ["fe80::/10", "a link-local address"],
    ["ff00::/8", "a multicast address"],
  ] as const
).map(([range, what]) => ({ range: parseCidr(range), what }));

/** Returns what tells whose an address is, in words that follow "is"; undefined where no object knows it. */
export function egressOwners(facts: ClusterFacts): (ip: Ip) => string | undefined {
  const owners = new Map<string, string>();
  for (const host of byName(facts.hosts))
    for (const address of host.spec.addresses)
      remember(owners, address, `an address of ${host.spec.role ?? "host"} ${host.metadata.name}`);
  for (const node of byName(facts.nodes))
    for (const { address } of node.status?.addresses ?? [])
      remember(owners, address, `an address of node ${node.metadata.name}`);
  const ranges = [
    ...readPodRanges(facts).map(({ cidr, object }) => ({ cidr, what: `in a range of pods (${object})` })),
    ...readServiceRanges(facts).map((cidr) => ({ cidr, what: "in the range of services" })),
  ];
  return (ip) =>
    special.find(({ range }) => cidrContains(range, ip))?.what ??
    owners.get(keyOf(ip)) ??
    ranges.find(({ cidr }) => cidrContains(cidr, ip))?.what;
}

function remember(owners: Map<string, string>, address: string, what: string): void {
  // Nodes have names among their addresses, too.
  const ip = tryParseIp(address);
  if (ip) owners.set(keyOf(ip), what);
}

function keyOf({ family, value }: Ip): string {
  return `${family}/${value}`;
}
