// Frames that tell neighbours where an address is now.
import { formatIp, parseIp } from "../../base/ip.ts";

export const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** The address has moved: entries are to be overwritten (RFC 4861, 4.4). */
const FLAG_OVERRIDE = 0x20000000;
const OPTION_TARGET_LINK_ADDRESS = 2;
const allNodes = Buffer.from("ff020000000000000000000000000001", "hex");

/**
 * Returns the frame that announces an address: an ARP announcement (RFC 5227, 3) or an unsolicited neighbour
 * advertisement (RFC 4861, 7.2.6).
 * @param mac `02:00:…` of the link that has the address now
 */
export function announcement(address: string, mac: string): Uint8Array {
  const ip = parseIp(address);
  const hardware = Buffer.from(mac.replaceAll(":", ""), "hex");
  if (ip.family === 4) return arpAnnouncement(bytesOf(ip.value, 4), hardware);
  return advertisement(bytesOf(ip.value, 16), hardware);
}

/** Returns who says in an ARP frame that it has which address; undefined for what is no ARP for IPv4. */
export function arpSender(frame: Uint8Array): { readonly address: string; readonly mac: string } | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  if (bytes.length < 42 || bytes.readUInt16BE(12) !== ETHERTYPE_ARP || bytes.readUInt16BE(16) !== 0x0800)
    return undefined;
  const mac = bytes.toString("hex", 22, 28).replaceAll(/(..)(?!$)/g, "$1:");
  return { address: formatIp({ family: 4, value: BigInt(bytes.readUInt32BE(28)) }), mac };
}

function arpAnnouncement(ip: Buffer, mac: Buffer): Buffer {
  const body = Buffer.alloc(28);
  body.writeUInt16BE(1, 0); // Ethernet
  body.writeUInt16BE(0x0800, 2);
  body.writeUInt8(6, 4);
  body.writeUInt8(4, 5);
  body.writeUInt16BE(1, 6); // request, with sender and target alike
  mac.copy(body, 8);
  ip.copy(body, 14);
  ip.copy(body, 24);
  return frame(Buffer.alloc(6, 0xff), mac, ETHERTYPE_ARP, body);
}

function advertisement(ip: Buffer, mac: Buffer): Buffer {
  const message = Buffer.alloc(32);
  message.writeUInt8(NEIGHBOUR_ADVERTISEMENT, 0);
  message.writeUInt32BE(FLAG_OVERRIDE, 4);
  ip.copy(message, 8);
  message.writeUInt8(OPTION_TARGET_LINK_ADDRESS, 24);
  message.writeUInt8(1, 25); // in units of eight bytes
  mac.copy(message, 26);
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(ICMPV6, 6);
  header.writeUInt8(255, 7); // any router on the way would have lowered it
  ip.copy(header, 8);
  allNodes.copy(header, 24);
  message.writeUInt16BE(checksum(ip, message), 2);
  return frame(Buffer.from("333300000001", "hex"), mac, ETHERTYPE_IPV6, Buffer.concat([header, message]));
}

/** The Internet checksum over IPv6's pseudo header and the message (RFC 8200, 8.1). */
function checksum(source: Buffer, message: Buffer): number {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo.writeUInt8(ICMPV6, 7);
  const all = Buffer.concat([source, allNodes, pseudo, message]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function frame(to: Buffer, from: Buffer, type: number, body: Buffer): Buffer {
  const kind = Buffer.alloc(2);
  kind.writeUInt16BE(type);
  return Buffer.concat([to, from, kind, body]);
}

function bytesOf(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(length * 2, "0"), "hex");
}
