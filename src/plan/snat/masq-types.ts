// What ip-masq-agent's configuration says, after reading. Keys, defaults and limits are ip-masq-agent's own; the keys
// below "flags" are its command line flags, which it ignores in this file, so one file serves both programs.
import { type Cidr, parseCidr } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";

/** A range and where it was written; line 0 for built-in ranges. */
export interface MasqRange {
  readonly cidr: Cidr;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Both ends belong to the range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface MasqConfig {
  /** Destinations that see the pod's own address, in the order of the file. */
  readonly nonMasquerade: readonly MasqRange[];
  /** Ours: destinations that see the node's address; undefined where the key is absent. */
  readonly masquerade: readonly MasqRange[] | undefined;
  /** Destinations in neither list: masqueraded, unless only the inverse list is given. */
  readonly othersMasqueraded: boolean;
  readonly masqLinkLocal: boolean;
  readonly masqLinkLocalIPv6: boolean;
  readonly cidrLimit: number;
  /** Milliseconds. Kept for the record: changes are acted on when they happen. */
  readonly resyncInterval: number;
  // flags
  /** IPv6 is left alone where this is false. */
  readonly ipv6: boolean;
  readonly randomFully: boolean;
  /** Empty: the kernel's own choice of ports. */
  readonly toPorts: readonly PortRange[];
  /** The chain that ip-masq-agent itself would use: lets its rules be recognised. */
  readonly masqChain: string;
}

export interface MasqReading {
  /** Undefined where there are errors. */
  readonly config: MasqConfig | undefined;
  /** Each of them makes the text unusable as a whole, as with ip-masq-agent. */
  readonly errors: readonly Problem[];
  /** Accepted, but worth a word. */
  readonly findings: readonly Problem[];
}

export const defaultNonMasquerade = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] as const;

/** Added to the defaults by --nomasq-all-reserved-ranges. */
export const reservedRanges = [
  "100.64.0.0/10",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
] as const;

export const linkLocal4 = "169.254.0.0/16";
export const linkLocal6 = "fe80::/10";

/** Returns the link-local ranges that are exempted. */
export function linkLocalEntries(
  config: Pick<MasqConfig, "masqLinkLocal" | "masqLinkLocalIPv6">,
): { cidr: Cidr }[] {
  return [
    ...(config.masqLinkLocal ? [] : [{ cidr: parseCidr(linkLocal4) }]),
    ...(config.masqLinkLocalIPv6 ? [] : [{ cidr: parseCidr(linkLocal6) }]),
  ];
}
