// The addresses that a machine takes for its own by its links, and with which of them it speaks to itself.
import { cidrContains, cidrOf, type Ip, parseIp } from "../../base/ip.ts";
import { bare, type Machine } from "./ground.ts";
import { primaryOf } from "./source.ts";

/** Returns whether an address means whoever uses it. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** fe80::/10 means nobody without the name of a link. */
export function isLinkLocal6({ family, value }: Ip): boolean {
  return family === 6 && value >> 118n === 0xfe80n >> 6n;
}

/** Of an IPv4 address on `lo` the kernel takes the whole range for its own. Returns those that hold an address, narrow ones first. */
export function wholeRanges({ links }: Machine, address: string): string[] {
  const ip = parseIp(address);
  const own = links.find(({ name }) => name === "lo")?.addresses ?? [];
  const found = ip.family === 4 ? own.filter((text) => isIn(ip, text)) : [];
  return found.toSorted((a, b) => lengthOf(b) - lengthOf(a));
}

/** To itself a machine speaks with the very address, but for IPv4's further ones of a range. */
export function ownSource(machine: Machine, destination: string): string {
  if (destination.includes(":") || isLoopback(destination)) return destination;
  const exact = (text: string) => bare(text) === destination;
  const having = machine.links.find(({ addresses }) => addresses.some(exact));
  if (having) return bare(primaryOf(having, having.addresses.find(exact)!));
  return bare(wholeRanges(machine, destination)[0] ?? destination);
}

function isIn(ip: Ip, text: string): boolean {
  const own = parseIp(bare(text));
  return own.family === ip.family && cidrContains(cidrOf(own, lengthOf(text)), ip);
}

/** Returns the length of `address/length`. */
export function lengthOf(text: string): number {
  return Number(text.split("/")[1]);
}

/** Returns whether a machine answers for more than its addresses. */
export function takesRanges(machine: Machine): boolean {
  const onLo = machine.links.find(({ name }) => name === "lo")?.addresses ?? [];
  const isWide = (text: string) => !/(^127\.)|:|\/32$/.test(text);
  return (
    machine.taken !== undefined || machine.routes.some(({ type }) => type === "local") || onLo.some(isWide)
  );
}
