// nfnetlink_log's messages (linux/netfilter/nfnetlink_log.h): packets that rules tell a log group of.
import type { LoggedPacket } from "../kernel.ts";
import { readIpEnds } from "./ip-packet.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

const SUBSYSTEM_ULOG = 4 << 8;
export const LogMessage = { packet: SUBSYSTEM_ULOG, config: SUBSYSTEM_ULOG | 1 } as const;

const CONFIG = { command: 1, mode: 2, bufferSize: 3, timeout: 4, threshold: 5, flags: 6 } as const;
const BIND = 1;
const COPY_PACKET = 2;
/** Numbers the packets of a group, so that gaps are seen. */
const FLAG_SEQUENCE = 1;
const PACKET = { inLink: 4, outLink: 5, payload: 9, prefix: 10, sequence: 12 } as const;
const NFGENMSG_LENGTH = 4;
/** How long the kernel may gather packets for one datagram, in 1/100 s, and how many. */
const GATHER = { time: 10, packets: 64 } as const;

/** Writes the body of the request that makes the socket the group's listener; one socket has a group. */
export function writeLogBind(writer: MessageWriter, group: number, bytes: number): void {
  writer.u8(0).u8(0).u16be(group);
  writer.attributeU8(CONFIG.command, BIND);
  const mode = Buffer.alloc(6);
  mode.writeUInt32BE(bytes, 0);
  mode[4] = COPY_PACKET;
  writer.attribute(CONFIG.mode, mode);
  writer.attributeU32be(CONFIG.timeout, GATHER.time);
  writer.attributeU32be(CONFIG.threshold, GATHER.packets);
  writer.attributeU16be(CONFIG.flags, FLAG_SEQUENCE);
}

const attributes = new Attributes();

/** Reads a packet; undefined for other messages. */
export function readLoggedPacket({ type, bytes, from, to }: Message): LoggedPacket | undefined {
  if (type !== LogMessage.packet) return undefined;
  attributes.read(bytes, from + NFGENMSG_LENGTH, to);
  const payload = attributes.view(PACKET.payload);
  return {
    prefix: attributes.text(PACKET.prefix) ?? "",
    inLink: attributes.u32be(PACKET.inLink),
    outLink: attributes.u32be(PACKET.outLink),
    sequence: attributes.u32be(PACKET.sequence) ?? 0,
    ends: payload && readIpEnds(payload),
  };
}
