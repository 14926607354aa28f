// As much of SCTP (RFC 9260) as it takes to open an association: INIT, INIT ACK and ABORT. A kernel without SCTP passes
// and tracks these like any other, so they show what a network lets through.
import { crc32c } from "./crc32c.ts";

export const SCTP = 132;

export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tag: number;
  readonly chunk: SctpChunk;
}

export type SctpChunk =
  | { readonly type: "init"; readonly initiateTag: number }
  | { readonly type: "init-ack"; readonly initiateTag: number; readonly cookie: Uint8Array }
  | { readonly type: "abort" }
  | { readonly type: "other" };

const HEADER = 12;
const CHUNK = { init: 1, initAck: 2, abort: 6 } as const;
const STATE_COOKIE = 7;
/** The T bit: the tag is the one of the packet that is refused, as we have none of our own (RFC 9260, 8.5.1). */
const TAG_REFLECTED = 1;
const WINDOW = 65536;
const STREAMS = 1;

/** Returns the bytes of a packet with its checksum. */
export function encodeSctp(packet: SctpPacket): Uint8Array {
  const body = encodeChunk(packet.chunk);
  const out = Buffer.alloc(HEADER + body.length);
  out.writeUInt16BE(packet.sourcePort, 0);
  out.writeUInt16BE(packet.destinationPort, 2);
  out.writeUInt32BE(packet.tag >>> 0, 4);
  body.copy(out, HEADER);
  // The checksum is computed over a field of zeros, and stands in the order in which CRC32c gives its bytes.
  out.writeUInt32LE(crc32c(out), 8);
  return out;
}

function encodeChunk(chunk: SctpChunk): Buffer {
  switch (chunk.type) {
    case "init":
      return chunkOf(CHUNK.init, 0, initBody(chunk.initiateTag));
    case "init-ack":
      return chunkOf(
        CHUNK.initAck,
        0,
        Buffer.concat([initBody(chunk.initiateTag), parameter(STATE_COOKIE, chunk.cookie)]),
      );
    case "abort":
    case "other":
      return chunkOf(CHUNK.abort, TAG_REFLECTED, Buffer.alloc(0));
  }
}

function initBody(initiateTag: number): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32BE(initiateTag >>> 0, 0);
  body.writeUInt32BE(WINDOW, 4);
  body.writeUInt16BE(STREAMS, 8);
  body.writeUInt16BE(STREAMS, 10);
  body.writeUInt32BE(initiateTag >>> 0, 12);
  return body;
}

/** A chunk's length counts neither more nor less than its content; what follows is padded to four bytes. */
function chunkOf(type: number, flags: number, body: Buffer): Buffer {
  const out = Buffer.alloc(padded(4 + body.length));
  out.writeUInt8(type, 0);
  out.writeUInt8(flags, 1);
  out.writeUInt16BE(4 + body.length, 2);
  body.copy(out, 4);
  return out;
}

function parameter(type: number, value: Uint8Array): Buffer {
  const out = Buffer.alloc(padded(4 + value.length));
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(4 + value.length, 2);
  out.set(value, 4);
  return out;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** Reads the first chunk of a packet; undefined where the packet is cut short or its checksum is wrong. */
export function decodeSctp(bytes: Uint8Array): SctpPacket | undefined {
  const data = Buffer.from(bytes);
  if (data.length < HEADER + 4) return undefined;
  const checksum = data.readUInt32LE(8);
  data.writeUInt32LE(0, 8);
  if (crc32c(data) !== checksum) return undefined;
  const chunk = decodeChunk(data.subarray(HEADER));
  return {
    sourcePort: data.readUInt16BE(0),
    destinationPort: data.readUInt16BE(2),
    tag: data.readUInt32BE(4),
    chunk,
  };
}

function decodeChunk(chunk: Buffer): SctpChunk {
  const type = chunk.readUInt8(0);
  const body = chunk.subarray(4, chunk.readUInt16BE(2));
  if (type === CHUNK.abort) return { type: "abort" };
  if (body.length < 16) return { type: "other" };
  const initiateTag = body.readUInt32BE(0);
  if (type === CHUNK.init) return { type: "init", initiateTag };
  if (type === CHUNK.initAck) {
    return { type: "init-ack", initiateTag, cookie: findParameter(body.subarray(16), STATE_COOKIE) };
  }
  return { type: "other" };
}

function findParameter(bytes: Buffer, wanted: number): Uint8Array {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2);
    if (bytes.readUInt16BE(at) === wanted) return bytes.subarray(at + 4, at + length);
    at += padded(Math.max(length, 4));
  }
  return new Uint8Array();
}

/** What a raw socket gave, split: IPv4 packets start at their IP header, IPv6 ones behind it. */
export function withoutIpHeader(packet: Uint8Array, family: 4 | 6): Uint8Array {
  return family === 4 ? packet.subarray(((packet[0] ?? 0) & 0xf) * 4) : packet;
}
