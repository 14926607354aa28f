// What a field of a packet holds, and whether that is what is written.
import { cidrContains, type Ip, parseIp, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { NotUnderstood, protocolNumbers, type TraceLink, type TracePacket } from "./packet.ts";

/** What has been written into the packet's metadata on its way. */
export interface Metadata {
  mark: number;
  /** nft's text of a class (`5033:47c1`), or "none". */
  priority: string;
}

/** undefined: the packet has no such field, so that whatever asks for it does not match. */
export type Field = Ip | string | number | readonly string[] | undefined;

/** TCP, UDP and SCTP: what other protocols have in that place is no port. */
const portProtocols: ReadonlySet<number> = new Set([6, 17, 132]);

/** Returns what a field holds. @throws NotUnderstood */
export function fieldOf(name: string, packet: TracePacket, metadata: Metadata): Field {
  const { source, destination, protocol } = packet;
  switch (name) {
    case "ip saddr":
      return source.family === 4 ? source : undefined;
    case "ip daddr":
      return source.family === 4 ? destination : undefined;
    case "ip6 saddr":
      return source.family === 6 ? source : undefined;
    case "ip6 daddr":
      return source.family === 6 ? destination : undefined;
    case "iifname":
      return packet.in?.name ?? "";
    case "oifname":
      return packet.out?.name ?? "";
    case "iifgroup":
      return groupOf(packet.in);
    case "oifgroup":
      return groupOf(packet.out);
    case "oif":
      // Links are numbered from 1; no link is 0.
      return packet.out === undefined ? 0 : 1;
    case "tcp dport":
    case "udp dport":
    case "sctp dport":
      return protocol === protocolNumbers[name.split(" ")[0] ?? ""] ? packet.port : undefined;
    case "th dport":
      return portProtocols.has(protocol) ? packet.port : undefined;
    case "tcp flags":
      return protocol === 6 ? (packet.tcpFlags ?? ["syn"]) : undefined;
    case "meta l4proto":
      return protocol;
    case "meta mark":
      return metadata.mark;
    case "meta priority":
      return metadata.priority;
    case "icmpv6 type":
      return protocol === 58 ? (packet.icmpType ?? "echo-request") : undefined;
    case "icmp type":
      return protocol === 1 ? (packet.icmpType ?? "echo-request") : undefined;
    case "ct state":
      return packet.state ?? "new";
    case "ct direction":
      return packet.direction ?? "original";
    // Version 4 and five words of header: IPv4 without options, which no packet here has.
    case "@nh,0,8":
      return source.family === 4 ? 0x45 : 0x60;
    default:
      throw new NotUnderstood(`field ${name}`);
  }
}

/** Asked for the group of a link that there is not, the kernel's rule ends without a match. */
function groupOf(link: TraceLink | undefined): number | undefined {
  return link?.group;
}

/** Returns whether a field holds a value as it is written: a name, a number, an address, a range. @throws NotUnderstood */
export function isValue(field: Exclude<Field, undefined>, written: string): boolean {
  if (typeof field === "number") return isNumber(field, written);
  if (typeof field === "string") return isText(field, written);
  if (Array.isArray(field)) return written.split(",").every((one) => field.includes(one));
  return isAddress(field as Ip, written);
}

/** Returns whether a field's bits under a mask are these. @throws NotUnderstood */
export function isMasked(
  field: Exclude<Field, undefined>,
  mask: readonly string[],
  is: readonly string[],
): boolean {
  if (Array.isArray(field)) {
    const seen = field.filter((flag) => mask.includes(flag));
    return seen.length === is.length && is.every((flag) => seen.includes(flag));
  }
  const [bits, value] = [Number(mask[0]), Number(is[0])];
  if (typeof field !== "number" || mask.length !== 1 || Number.isNaN(bits) || Number.isNaN(value))
    throw new NotUnderstood(`mask ${mask.join()}`);
  return (field & bits) >>> 0 === value >>> 0;
}

function isNumber(field: number, written: string): boolean {
  const named = protocolNumbers[written];
  if (named !== undefined) return field === named;
  // As nft prints a mask: the value, and how many of its first bits count.
  const prefix = /^(\d+)\/(\d+)$/.exec(written);
  if (prefix) {
    const shift = 32 - Number(prefix[2]);
    return field >>> shift === Number(prefix[1]) >>> shift;
  }
  const range = /^(\d+)-(\d+)$/.exec(written);
  if (range) return Number(range[1]) <= field && field <= Number(range[2]);
  const number = Number(written);
  if (Number.isNaN(number)) throw new NotUnderstood(`number ${written}`);
  return field === number;
}

function isText(field: string, written: string): boolean {
  const plain = written.replace(/^"(.*)"$/, "$1");
  return plain.endsWith("*") ? field.startsWith(plain.slice(0, -1)) : field === plain;
}

function isAddress(field: Ip, written: string): boolean {
  const cidr = tryParseCidr(written);
  if (cidr) return cidrContains(cidr, field);
  const [first = "", last = first] = written.split("-");
  if (!tryParseIp(first)) throw new NotUnderstood(`address ${written}`);
  const [from, to] = [parseIp(first), parseIp(last)];
  return from.family === field.family && from.value <= field.value && field.value <= to.value;
}
