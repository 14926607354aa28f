// Frames that tell neighbours where an address is now.
import { formatIp, parseIp } from "../../base/ip.ts";

export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
const ICMPV6 = 58;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** The address has moved: entries are to be overwritten (RFC 4861, 4.4). */
const FLAG_OVERRIDE = 0x20000000;
const OPTION_TARGET_LINK_ADDRESS = 2;
const allNodes = Buffer.from("ff020000000000000000000000000001", "hex");
const broadcast = Buffer.alloc(6, 0xff);
/** Ethernet and IPv6 headers. */
const ICMP_AT = 54;

/**
 * Returns the frame that announces an address: an ARP announcement (RFC 5227, 3) or an unsolicited neighbour
 * advertisement (RFC 4861, 7.2.6).
 * @param mac `02:00:…` of the link that has the address now
 * @param from that of the link which says so, where that is another one: switches learn from it
 */
export function announcement(address: string, mac: string, from: string = mac): Uint8Array {
  const ip = parseIp(address);
  const hardware = macOf(mac);
  if (ip.family === 4) {
    const own = bytesOf(ip.value, 4);
    return frame(broadcast, macOf(from), ETHERTYPE_ARP, arpRequest(hardware, own, own));
  }
  return advertisement(bytesOf(ip.value, 16), hardware, macOf(from));
}

/**
 * Returns the frame that asks whether anybody has an address, and tells nobody that it may be ours: an ARP probe (RFC
 * 5227, 2.1.1) or a neighbour solicitation without a source (RFC 4862, 5.4.2).
 */
export function addressProbe(address: string, mac: string): Uint8Array {
  const ip = parseIp(address);
  const hardware = macOf(mac);
  if (ip.family === 4)
    return frame(
      broadcast,
      hardware,
      ETHERTYPE_ARP,
      arpRequest(hardware, Buffer.alloc(4), bytesOf(ip.value, 4)),
    );
  return solicitation(bytesOf(ip.value, 16), hardware);
}

/**
 * Returns the hardware address of whoever says in a frame that it has an address, or that it is about to take it;
 * undefined where nobody does.
 */
export function claimant(bytes: Uint8Array, address: string): string | undefined {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const ip = parseIp(address);
  return ip.family === 4
    ? arpClaimant(whole, bytesOf(ip.value, 4))
    : neighbourClaimant(whole, bytesOf(ip.value, 16));
}

/** Returns who says in an ARP frame that it has which address; undefined for what is no ARP for IPv4. */
export function arpSender(frame: Uint8Array): { readonly address: string; readonly mac: string } | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  if (bytes.length < 42 || bytes.readUInt16BE(12) !== ETHERTYPE_ARP || bytes.readUInt16BE(16) !== 0x0800)
    return undefined;
  const mac = macText(bytes.subarray(22, 28));
  return { address: formatIp({ family: 4, value: BigInt(bytes.readUInt32BE(28)) }), mac };
}

function arpRequest(mac: Buffer, sender: Buffer, target: Buffer): Buffer {
  const body = Buffer.alloc(28);
  body.writeUInt16BE(1, 0); // Ethernet
  body.writeUInt16BE(0x0800, 2);
  body.writeUInt8(6, 4);
  body.writeUInt8(4, 5);
  body.writeUInt16BE(1, 6); // request
  mac.copy(body, 8);
  sender.copy(body, 14);
  target.copy(body, 24);
  return body;
}

function arpClaimant(whole: Buffer, ip: Buffer): string | undefined {
  if (arpSender(whole) === undefined) return undefined;
  const [sender, target] = [whole.subarray(28, 32), whole.subarray(38, 42)];
  const probes = sender.every((byte) => byte === 0) && target.equals(ip);
  return sender.equals(ip) || probes ? macText(whole.subarray(22, 28)) : undefined;
}

function neighbourClaimant(whole: Buffer, ip: Buffer): string | undefined {
  if (whole.length < ICMP_AT + 24 || whole.readUInt16BE(12) !== ETHERTYPE_IPV6 || whole[20] !== ICMPV6)
    return undefined;
  const type = whole[ICMP_AT];
  const probes = type === NEIGHBOUR_SOLICITATION && whole.subarray(22, 38).every((byte) => byte === 0);
  if (type !== NEIGHBOUR_ADVERTISEMENT && !probes) return undefined;
  return whole.subarray(ICMP_AT + 8, ICMP_AT + 24).equals(ip) ? macText(whole.subarray(6, 12)) : undefined;
}

function advertisement(ip: Buffer, mac: Buffer, from: Buffer): Buffer {
  const message = Buffer.alloc(32);
  message.writeUInt8(NEIGHBOUR_ADVERTISEMENT, 0);
  message.writeUInt32BE(FLAG_OVERRIDE, 4);
  ip.copy(message, 8);
  message.writeUInt8(OPTION_TARGET_LINK_ADDRESS, 24);
  message.writeUInt8(1, 25); // in units of eight bytes
  mac.copy(message, 26);
  return icmpFrame(ip, allNodes, message, from);
}

function solicitation(ip: Buffer, mac: Buffer): Buffer {
  const message = Buffer.alloc(24);
  message.writeUInt8(NEIGHBOUR_SOLICITATION, 0);
  ip.copy(message, 8);
  // The solicited-node group of the address (RFC 4291, 2.7.1).
  const group = Buffer.from("ff0200000000000000000001ff000000", "hex");
  ip.copy(group, 13, 13);
  return icmpFrame(Buffer.alloc(16), group, message, mac);
}

/** A multicast packet of neighbour discovery; fills in the checksum. */
function icmpFrame(source: Buffer, group: Buffer, message: Buffer, mac: Buffer): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(ICMPV6, 6);
  header.writeUInt8(255, 7); // any router on the way would have lowered it
  source.copy(header, 8);
  group.copy(header, 24);
  message.writeUInt16BE(checksum(source, group, message), 2);
  const to = Buffer.concat([Buffer.from("3333", "hex"), group.subarray(12)]);
  return frame(to, mac, ETHERTYPE_IPV6, Buffer.concat([header, message]));
}

/** The Internet checksum over IPv6's pseudo header and the message (RFC 8200, 8.1). */
function checksum(source: Buffer, destination: Buffer, message: Buffer): number {
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo.writeUInt8(ICMPV6, 7);
  const all = Buffer.concat([source, destination, pseudo, message]);
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

function macOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

function macText(bytes: Buffer): string {
  return bytes.toString("hex").replaceAll(/(..)(?!$)/g, "$1:");
}
