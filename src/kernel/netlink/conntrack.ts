// ctnetlink's messages (linux/netfilter/nfnetlink_conntrack.h): the table of tracked connections.
import type { ConntrackFlow, FlowTuple } from "../kernel.ts";
import { AF_UNSPEC, addressBytes, addressText, familyNumber, familyOfNumber } from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

const SUBSYSTEM_CTNETLINK = 1 << 8;
export const ConntrackMessage = {
  get: SUBSYSTEM_CTNETLINK | 1,
  delete: SUBSYSTEM_CTNETLINK | 2,
  /** Figures of the whole table (IPCTNL_MSG_CT_GET_STATS). */
  figures: SUBSYSTEM_CTNETLINK | 5,
} as const;
const CTA_STATS_GLOBAL_ENTRIES = 1;

const CTA = { original: 1, reply: 2, protocolInfo: 4, mark: 8, id: 12, zone: 18 } as const;
const TUPLE = { ip: 1, protocol: 2, zone: 3 } as const;
const IP = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const PROTOCOL = {
  number: 1,
  sourcePort: 2,
  destinationPort: 3,
  icmpId: 4,
  icmpType: 5,
  icmpCode: 6,
} as const;
const ICMP6 = { id: 7, type: 8, code: 9 } as const;
const PROTOCOL_INFO_TCP = 1;
const PROTOCOL_INFO_SCTP = 3;
const STATE = 1;
const NFGENMSG_LENGTH = 4;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;

const tcpStates = [
  "NONE",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT",
  "CLOSE_WAIT",
  "LAST_ACK",
  "TIME_WAIT",
  "CLOSE",
  "SYN_SENT2",
];

/** Writes the body of a dump request; without a family, of both. */
export function writeConntrackQuery(writer: MessageWriter, family: 4 | 6 | undefined): void {
  writer
    .u8(family === undefined ? AF_UNSPEC : familyNumber(family))
    .u8(0)
    .u16be(0);
}

/** Returns how many connections a namespace has, out of the answer to a request for figures. */
export function readConnectionCount(message: Message): number | undefined {
  const found = attributes.read(message.bytes, message.from + NFGENMSG_LENGTH, message.to);
  return found.u32be(CTA_STATS_GLOBAL_ENTRIES);
}

/**
 * Writes the body of a request that forgets a connection, found by its original tuple and zone; the id makes sure that
 * a newer connection with the same tuple stays.
 */
export function writeConntrackRemoval(writer: MessageWriter, flow: ConntrackFlow): void {
  writer.u8(familyNumber(flow.family)).u8(0).u16be(0);
  writer.nest(CTA.original, () => writeTuple(writer, flow));
  if (flow.zone !== 0) writer.attributeU16be(CTA.zone, flow.zone);
  writer.attributeU32be(CTA.id, flow.id);
}

function writeTuple(writer: MessageWriter, { family, protocol, original }: ConntrackFlow): void {
  writer.nest(TUPLE.ip, () => {
    writer.attribute(family === 4 ? IP.source4 : IP.source6, addressBytes(original.source));
    writer.attribute(family === 4 ? IP.destination4 : IP.destination6, addressBytes(original.destination));
  });
  writer.nest(TUPLE.protocol, () => {
    writer.attributeU8(PROTOCOL.number, protocol);
    const icmp = icmpAttributes(protocol);
    if (icmp === undefined) {
      writer.attributeU16be(PROTOCOL.sourcePort, original.sourcePort);
      writer.attributeU16be(PROTOCOL.destinationPort, original.destinationPort);
    } else {
      writer.attributeU16be(icmp.id, original.sourcePort);
      writer.attributeU8(icmp.type, original.destinationPort >> 8);
      writer.attributeU8(icmp.code, original.destinationPort & 0xff);
    }
  });
}

function icmpAttributes(protocol: number): { id: number; type: number; code: number } | undefined {
  if (protocol === IPPROTO_ICMPV6) return ICMP6;
  if (protocol !== IPPROTO_ICMP) return undefined;
  return { id: PROTOCOL.icmpId, type: PROTOCOL.icmpType, code: PROTOCOL.icmpCode };
}

const attributes = new Attributes();
const tuple = new Attributes();
const inner = new Attributes();

/** Reads a connection; undefined for families other than IP. */
export function readConntrack({ bytes, from, to }: Message): ConntrackFlow | undefined {
  const family = familyOfNumber(bytes[from]!);
  if (family === undefined) return undefined;
  attributes.read(bytes, from + NFGENMSG_LENGTH, to);
  const original = readTuple(CTA.original);
  const reply = readTuple(CTA.reply);
  const state = readState();
  return {
    family,
    protocol: original.protocol,
    original: original.tuple,
    reply: reply.tuple,
    mark: attributes.u32be(CTA.mark) ?? 0,
    zone: attributes.u16be(CTA.zone) ?? 0,
    ...(state !== undefined && { state }),
    id: attributes.u32be(CTA.id) ?? 0,
  };
}

function readTuple(type: number): { protocol: number; tuple: FlowTuple } {
  attributes.nested(type, tuple);
  tuple.nested(TUPLE.ip, inner);
  const source = inner.view(IP.source4) ?? inner.view(IP.source6);
  const destination = inner.view(IP.destination4) ?? inner.view(IP.destination6);
  tuple.nested(TUPLE.protocol, inner);
  const protocol = inner.u8(PROTOCOL.number) ?? 0;
  return {
    protocol,
    tuple: {
      source: source ? addressText(source) : "",
      destination: destination ? addressText(destination) : "",
      ...readPorts(protocol),
    },
  };
}

/** ICMP has an id, a type and a code; they stand in the ports' places, as the kernel itself keeps them. */
function readPorts(protocol: number): { sourcePort: number; destinationPort: number } {
  const icmp = icmpAttributes(protocol);
  if (icmp === undefined) {
    return {
      sourcePort: inner.u16be(PROTOCOL.sourcePort) ?? 0,
      destinationPort: inner.u16be(PROTOCOL.destinationPort) ?? 0,
    };
  }
  const type = inner.u8(icmp.type) ?? 0;
  const code = inner.u8(icmp.code) ?? 0;
  return { sourcePort: inner.u16be(icmp.id) ?? 0, destinationPort: (type << 8) | code };
}

function readState(): string | undefined {
  const info = attributes.nested(CTA.protocolInfo, tuple);
  const tcp = info?.nested(PROTOCOL_INFO_TCP, inner)?.u8(STATE);
  if (tcp !== undefined) return tcpStates[tcp];
  const sctp = info?.nested(PROTOCOL_INFO_SCTP, inner)?.u8(STATE);
  return sctp === undefined ? undefined : `SCTP-${sctp}`;
}
