// The arithmetic of a subnet's range, as clouds have it: the first address and the last three are not given to anybody,
// and neither is the gateway's.
import {
  cidrContains,
  cidrRange,
  cidrSize,
  formatIp,
  nthIp,
  parseCidr,
  parseIp,
  tryParseCidr,
  tryParseIp,
} from "../base/ip.ts";
import type { Subnet } from "./kinds/subnet.ts";

type Spec = Pick<Subnet["spec"], "cidr" | "gateway">;

/** How many addresses at the end of a range are the provider's own. */
const reservedAtEnd = 3n;

/** Returns whether a subnet's range can be read; where not, nobody gets an address of it. */
export function hasRange({ cidr }: Spec): boolean {
  return tryParseCidr(cidr) !== undefined;
}

/** Returns the address that traffic leaves a subnet by; a gateway that is no address counts as absent. @throws `base.cidr` */
export function subnetGateway({ cidr, gateway }: Spec): string {
  if (gateway !== undefined && tryParseIp(gateway)) return gateway;
  const range = parseCidr(cidr);
  return formatIp(nthIp(range, cidrSize(range) - reservedAtEnd));
}

/** Returns whether that address of a subnet may be given to an interface. */
export function isUsable(subnet: Spec, address: string): boolean {
  const range = tryParseCidr(subnet.cidr);
  const ip = tryParseIp(address);
  if (range === undefined || ip === undefined || !cidrContains(range, ip)) return false;
  const { first, last } = cidrRange(range);
  return ip.value > first && ip.value <= last - reservedAtEnd && address !== subnetGateway(subnet);
}

/** Returns how many addresses of a subnet may be given to interfaces. */
export function usableCount(subnet: Spec): number {
  const range = tryParseCidr(subnet.cidr);
  if (range === undefined) return 0;
  const all = Number(cidrSize(range) - 1n - reservedAtEnd);
  const { value } = parseIp(subnetGateway(subnet));
  const { first, last } = cidrRange(range);
  return value > first && value <= last - reservedAtEnd ? all - 1 : Math.max(all, 0);
}

/** Yields the addresses of a subnet that may be given to interfaces, in order. */
export function* usableAddresses(subnet: Spec): Generator<string> {
  const range = tryParseCidr(subnet.cidr);
  if (range === undefined) return;
  const gateway = subnetGateway(subnet);
  for (let n = 1n; n < cidrSize(range) - reservedAtEnd; n++) {
    const address = formatIp(nthIp(range, n));
    if (address !== gateway) yield address;
  }
}
