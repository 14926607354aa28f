// The small texts of BGP objects: communities and peers' addresses.
import { formatIp, type Ip, tryParseIp } from "../base/ip.ts";

/** A standard community (RFC 1997): two numbers of 16 bits; a large one (RFC 8092): three of 32. */
export type Community = readonly [number, number] | readonly [number, number, number];

/** What a community looks like; that its numbers are in bounds is not in it. */
export const communityForm = /^[0-9]{1,10}(:[0-9]{1,10}){1,2}$/;

/** Reads `65000:100` or `65000:100:200`; undefined where it is neither. */
export function parseCommunity(text: string): Community | undefined {
  const parts = text.split(":");
  if (!parts.every((part) => /^\d{1,10}$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  const [a, b, c] = numbers;
  if (a === undefined || b === undefined || numbers.length > 3) return undefined;
  const most = c === undefined ? 0xffff : 0xffff_ffff;
  if (numbers.some((value) => value > most)) return undefined;
  return c === undefined ? [a, b] : [a, b, c];
}

/** Names of interfaces, `*` and `?` standing for any text and any letter, as BIRD has them: nothing in it ends a text or a line. */
export const interfaceForm = /^[\w.*?@-]{1,30}$/;

/** The most of what is written as a whole number. */
export const mostMetric = 0x7fff_ffff;
export const mostHops = 255;
export const mostOwnAs = 255;
/** RIP's timers, in seconds. */
export const mostTimer = 65_535;

export interface PeerAddress {
  readonly ip: Ip;
  /** Canonical text. */
  readonly address: string;
  /** Absent: the usual one. */
  readonly port?: number;
}

/** Reads `A`, `A:PORT` or `[A6]:PORT`; undefined where it is none of these. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const bare = tryParseIp(text);
  if (bare) return { ip: bare, address: formatIp(bare) };
  const found = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const ip = found && tryParseIp(found[1] ?? found[2] ?? "");
  if (!ip || (found[1] !== undefined && ip.family === 4)) return undefined;
  if (found[3] === undefined) return { ip, address: formatIp(ip) };
  const port = Number(found[3]);
  return port >= 1 && port <= 65_535 ? { ip, address: formatIp(ip), port } : undefined;
}
