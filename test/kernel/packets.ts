// First packets of connections, as raw bytes from the transport header on.

import { encodeSctp } from "../../src/agent/probe/sctp.ts";
import { formatIp, parseIp } from "../../src/base/ip.ts";

export const protocolNumber = { TCP: 6, UDP: 17, SCTP: 132 } as const;
export type TransportName = keyof typeof protocolNumber;

export interface FirstPacket {
  readonly protocol: TransportName;
  readonly from: string;
  readonly to: string;
  readonly sourcePort: number;
  readonly port: number;
}

/** Returns a TCP SYN, a UDP datagram or an SCTP INIT, with the checksum that connection tracking looks at. */
export function firstPacket(packet: FirstPacket, tcpFlags = 0x02): Uint8Array {
  const { protocol, sourcePort, port } = packet;
  if (protocol === "SCTP")
    return encodeSctp({
      sourcePort,
      destinationPort: port,
      tag: 0,
      chunk: { type: "init", initiateTag: sourcePort + 1 },
    });
  const bytes = Buffer.alloc(protocol === "TCP" ? 20 : 12);
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(port, 2);
  if (protocol === "UDP") bytes.writeUInt16BE(bytes.length, 4);
  else {
    bytes.writeUInt32BE(1000, 4);
    bytes.writeUInt8(5 << 4, 12);
    bytes.writeUInt8(tcpFlags, 13);
    bytes.writeUInt16BE(65_000, 14);
  }
  const sum = checksum(packet, bytes);
  // UDP writes a sum of zero as all ones: zero means that there is none.
  bytes.writeUInt16BE(protocol === "UDP" && sum === 0 ? 0xffff : sum, protocol === "TCP" ? 16 : 6);
  return bytes;
}

/** RFC 1071 over the pseudo header (RFC 9293 3.1, RFC 8200 8.1) and the packet. */
function checksum({ protocol, from, to }: FirstPacket, bytes: Buffer): number {
  const addresses = Buffer.concat([addressBytes(from), addressBytes(to)]);
  let sum = protocolNumber[protocol] + bytes.length;
  for (const part of [addresses, bytes])
    for (let at = 0; at < part.length; at += 2) sum += part.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressBytes(text: string): Buffer {
  const ip = parseIp(formatIp(parseIp(text)));
  const hex = ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, "0");
  return Buffer.from(hex, "hex");
}
