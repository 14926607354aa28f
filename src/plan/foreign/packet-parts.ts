// What rules ask of a packet that has to be made out: its TCP flags, what its addresses are to the machine, how far it has come.
import { cidrRange, formatIp, type IpRange, parseCidr } from "../../base/ip.ts";
import type { Maybe } from "./choices.ts";
import type { HookPacket } from "./hook-packet.ts";
import type { Value } from "./types.ts";

/** RFC 9293, 3.1. */
export const tcpFlagBits: Readonly<Record<string, number>> = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ecn: 0x40,
  cwr: 0x80,
};

/** Returns the bits of named flags; undefined: one is not known. */
export function tcpFlagsNamed(names: readonly string[]): number | undefined {
  const bits = names.map((name) => tcpFlagBits[name]);
  return bits.every((one) => one !== undefined) ? bits.reduce((all, one) => all | one, 0) : undefined;
}

/** Of who opened a connection, after the first packet. */
export const flagsOfOpener: readonly number[] = [0x10, 0x18, 0x11, 0x19];
/** Of who answers. */
export const flagsOfAnswers: readonly number[] = [0x12, ...flagsOfOpener];
/** Nobody listens there. */
export const flagsOfRefusal: readonly number[] = [0x14];
const flagsOfFirst: readonly number[] = [0x02];

/** Returns whether some bits of a TCP packet's flags are a number, or within a range. */
export function tcpFlagsAre({ isFirst, flags }: HookPacket, mask: number, value: Value): Maybe {
  const all = flags ?? (isFirst ? flagsOfFirst : [...flagsOfAnswers, ...flagsOfRefusal]);
  const said = new Set(all.map((one) => among(one & mask, value)));
  return said.size === 1 ? [...said][0]! : "perhaps";
}

/** Type of what asks for a neighbour, and of what answers (RFC 4861). */
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** What neighbours send each other was passed on by nobody. */
const MOST_HOPS = 255;

/** Returns whether a packet of IPv6 has a hop limit. */
export function hopLimitIs({ message }: HookPacket, value: Value): Maybe {
  return message === SOLICITATION || message === ADVERTISEMENT ? among(MOST_HOPS, value) : "perhaps";
}

/** Returns whether a packet came to the machine's own hardware address, or to many. */
export function packetTypeIs({ in: by, message }: HookPacket, value: Value): Maybe {
  // What a machine sends itself, and what it has not sent yet, has none that is known.
  if (by === undefined || by === "" || by === "lo") return "perhaps";
  return value === (message === SOLICITATION ? "multicast" : "host");
}

const [groups4, groups6, zero] = ["224.0.0.0/4", "ff00::/8", "0.0.0.0/8"].map((text) =>
  cidrRange(parseCidr(text)),
) as [IpRange, IpRange, IpRange];
const EVERYBODY = 0xffffffffn;

/**
 * Returns whether an address is of a type to the machine: of IPv4 by what its table of local addresses says
 * (inet_addr_type of fib_frontend.c, which both xt_addrtype and nft_fib ask), of IPv6 as far as that is plain.
 */
export function addressTypeIs(packet: HookPacket, range: IpRange, value: Value): Maybe {
  const { family, first, last } = range;
  if (family === 6 && value === "broadcast") return false;
  const groups = family === 4 ? groups4 : groups6;
  const inGroups = within(range, groups);
  if (inGroups === "perhaps") return "perhaps";
  if (value === "single") return !inGroups && first > 0n;
  if (inGroups || value === "multicast") return inGroups && value === "multicast";
  if (first !== last) return "perhaps";
  const address = formatIp({ family, value: first });
  const isLocal = packet.isLocal(address);
  if (value === "local" || isLocal) return isLocal && value === "local";
  if (family === 6) return "perhaps";
  const isBroadcast =
    first === EVERYBODY || within(range, zero) === true || (packet.isBroadcast?.(address) ?? "perhaps");
  if (value === "broadcast") return isBroadcast;
  if (value !== "unicast") return false;
  return isBroadcast === "perhaps" ? isBroadcast : !isBroadcast;
}

function within(range: IpRange, outer: IpRange): Maybe {
  if (range.last < outer.first || outer.last < range.first) return false;
  return outer.first <= range.first && range.last <= outer.last ? true : "perhaps";
}

/** Returns whether a number is a value, or within it. */
export function among(number: number, value: Value): Maybe {
  if (typeof value === "string") return "perhaps";
  return value.first <= BigInt(number) && BigInt(number) <= value.last;
}
