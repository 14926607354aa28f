// The few ICMP messages that probes send and read: RFC 792 and RFC 4443.
import { randomFillSync } from "node:crypto";
import { formatIp } from "../../base/ip.ts";

export const ICMP = {
  4: { protocol: 1, request: 8, reply: 0, unreachable: 3, closed: [2, 3] },
  // ICMPv6 has no "protocol unreachable": that is a parameter problem with code 1 (unknown next header).
  6: { protocol: 58, request: 128, reply: 129, unreachable: 1, closed: [4] },
} as const;
const PARAMETER_PROBLEM = 4;

/** Returns an echo request. For IPv6 the kernel fills in the checksum. */
export function echoRequest(family: 4 | 6, id: number): Uint8Array {
  const out = Buffer.alloc(16);
  out.writeUInt8(ICMP[family].request, 0);
  out.writeUInt16BE(id, 4);
  out.writeUInt16BE(1, 6);
  // What a translation on the way leaves as it is.
  randomFillSync(out, 8);
  if (family === 4) out.writeUInt16BE(checksum(out), 2);
  return out;
}

export function isEchoReply(family: 4 | 6, bytes: Uint8Array, id: number): boolean {
  const message = Buffer.from(bytes);
  return message.length >= 8 && message[0] === ICMP[family].reply && message.readUInt16BE(4) === id;
}

/** How a packet of ours is known in an error's quotation: bytes of its first eight that nobody fills in for us. */
export interface SentPacket {
  readonly to: string;
  readonly protocol: number;
  readonly mark: { readonly offset: number; readonly bytes: Uint8Array };
}

/**
 * Returns what an ICMP error says about one packet of ours: that its target has nobody there ("closed"), or that it did
 * not get through ("unreachable"); undefined if the message is about something else.
 */
export function refusedBy(
  family: 4 | 6,
  bytes: Uint8Array,
  sent: SentPacket,
): "closed" | "unreachable" | undefined {
  const message = Buffer.from(bytes);
  const [type, code] = message;
  const shape = ICMP[family];
  const unknownHeader = family === 6 && type === PARAMETER_PROBLEM && code === 1;
  if (type !== shape.unreachable && !unknownHeader) return undefined;
  const inner = message.subarray(8);
  if (!isAbout(family, inner, sent)) return undefined;
  return unknownHeader || (shape.closed as readonly (number | undefined)[]).includes(code)
    ? "closed"
    : "unreachable";
}

function isAbout(family: 4 | 6, inner: Buffer, sent: SentPacket): boolean {
  if (inner.length < (family === 4 ? 28 : 48)) return false;
  const protocol = family === 4 ? inner[9] : inner[6];
  const header = family === 4 ? ((inner[0] ?? 0) & 0xf) * 4 : 40;
  // A router quotes at least eight bytes of what it could not deliver, translated back where it had been translated.
  const at = header + sent.mark.offset;
  return (
    protocol === sent.protocol &&
    targetOf(family, inner) === sent.to &&
    inner.subarray(at, at + sent.mark.bytes.length).equals(sent.mark.bytes)
  );
}

function targetOf(family: 4 | 6, inner: Buffer): string {
  const bytes = family === 4 ? inner.subarray(16, 20) : inner.subarray(24, 40);
  return formatIp({ family, value: BigInt(`0x${bytes.toString("hex")}`) });
}

/** RFC 1071, of an even number of bytes. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
