// The two ends of an IP packet, from its first bytes (RFC 791, RFC 8200, section 4). Whatever stands there, nothing throws.
import type { PacketEnds } from "../kernel.ts";
import { addressText } from "./bytes.ts";

const withPorts: ReadonlySet<number> = new Set([6, 17, 132, 136, 33]);
/** Headers that stand between IPv6's own and the transport's: hop-by-hop, routing, destination options. */
const options: ReadonlySet<number> = new Set([0, 43, 60]);
const FRAGMENT = 44;

/** Returns the ends; undefined for what is no whole IP header. */
export function readIpEnds(bytes: Buffer): PacketEnds | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return readIpv4(bytes);
  return version === 6 ? readIpv6(bytes) : undefined;
}

function readIpv4(bytes: Buffer): PacketEnds | undefined {
  const length = (bytes[0]! & 0xf) * 4;
  if (length < 20 || bytes.length < 20) return undefined;
  const protocol = bytes[9]!;
  // Only a packet's first fragment has ports.
  const first = (bytes.readUInt16BE(6) & 0x1fff) === 0;
  return {
    source: addressText(bytes.subarray(12, 16)),
    destination: addressText(bytes.subarray(16, 20)),
    protocol,
    ...(first && portsAt(bytes, length, protocol)),
  };
}

function readIpv6(bytes: Buffer): PacketEnds | undefined {
  if (bytes.length < 40) return undefined;
  let protocol = bytes[6]!;
  let at = 40;
  let first = true;
  while ((options.has(protocol) || protocol === FRAGMENT) && at + 8 <= bytes.length) {
    if (protocol === FRAGMENT) first = (bytes.readUInt16BE(at + 2) & 0xfff8) === 0;
    const length = protocol === FRAGMENT ? 8 : (bytes[at + 1]! + 1) * 8;
    protocol = bytes[at]!;
    at += length;
  }
  return {
    source: addressText(bytes.subarray(8, 24)),
    destination: addressText(bytes.subarray(24, 40)),
    protocol,
    ...(first && portsAt(bytes, at, protocol)),
  };
}

function portsAt(bytes: Buffer, at: number, protocol: number): { sourcePort?: number; port?: number } {
  if (!withPorts.has(protocol) || at + 4 > bytes.length) return {};
  return { sourcePort: bytes.readUInt16BE(at), port: bytes.readUInt16BE(at + 2) };
}
