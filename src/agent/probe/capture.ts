// Watching a probe's packets where they pass, as one would with tcpdump: addresses, ports, TTL, interface, direction.
import { formatIp } from "../../base/ip.ts";
import type { CapturedFrame, Kernel } from "../../kernel/kernel.ts";

/** A namespace to watch, every link of it. */
export interface CapturePoint {
  /** `pod/NAMESPACE/NAME`, `node/NAME` or `host/NAME`. */
  readonly place: string;
  readonly kernel: Kernel;
}

export interface CapturedPacket {
  readonly place: string;
  readonly interface: string;
  readonly direction: "in" | "out";
  readonly source: string;
  readonly destination: string;
  /** Upper case, or the protocol's number. */
  readonly protocol: string;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** IPv4's time to live, IPv6's hop limit. */
  readonly ttl: number;
  /** For TCP, such as `SYN,ACK`. */
  readonly flags: string | null;
  /** Milliseconds since the capture began. */
  readonly atMs: number;
}

/** Which packets are told. */
export interface CaptureFilter {
  /** One end has this address. */
  readonly address: string;
  /** One end has this port; without it packets of every protocol are told. */
  readonly port?: number;
}

type Decoded = Omit<CapturedPacket, "place" | "interface" | "direction" | "atMs">;

/** Watches until `stop`, which returns what passed, place by place in the order of `points`. @throws `kernel.permission` */
export function startCapture(
  points: readonly CapturePoint[],
  filter: CaptureFilter,
): { stop(): readonly CapturedPacket[] } {
  const began = performance.now();
  const watches = points.map(({ place, kernel }) => {
    const packets: CapturedPacket[] = [];
    const fd = kernel.sockets.openPacket();
    const names = new Map(kernel.links.list().map((link) => [link.index, link.name]));
    const watch = kernel.sockets.receivePackets(fd, ({ linkIndex, direction, bytes }: CapturedFrame) => {
      const link = names.get(linkIndex) ?? `#${linkIndex}`;
      if (direction === "other" || link === "lo") return;
      const packet = decodeFrame(bytes);
      if (!packet || !matches(packet, filter)) return;
      const atMs = Math.round((performance.now() - began) * 1000) / 1000;
      packets.push({ place, interface: link, direction, ...packet, atMs });
    });
    const stop = () => {
      watch.stop();
      kernel.sockets.close(fd);
      return packets;
    };
    return { stop };
  });
  // Packets of different places are read one place after another, so their times do not order them exactly.
  return { stop: () => watches.flatMap((watch) => watch.stop()) };
}

function matches(packet: Decoded, { address, port }: CaptureFilter): boolean {
  if (packet.source !== address && packet.destination !== address) return false;
  return port === undefined || packet.sourcePort === port || packet.destinationPort === port;
}

const protocols: Readonly<Record<number, string>> = {
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  132: "SCTP",
};
const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"] as const;

/** Decodes an Ethernet frame; undefined for what is no IP packet, or is cut off. */
export function decodeFrame(bytes: Uint8Array): Decoded | undefined {
  const packet = packetOf(bytes);
  if (!packet) return undefined;
  const { source, destination, ttl, protocol, body } = packet;
  return { source, destination, ttl, ...transport(protocol, body) };
}

/** What opens a conversation, and what of it no translation on the way changes. */
export interface Opening {
  readonly source: string;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP";
  /** Absent for ICMP. */
  readonly port?: number;
  /** The same where it was sent and where it arrives: TCP's first sequence number, SCTP's tag, else what it carries. */
  readonly mark: string;
}

/** Returns what a frame opens; undefined for all others, for later fragments, and for what carries nothing. */
export function openingOf(bytes: Uint8Array): Opening | undefined {
  const packet = packetOf(bytes);
  if (!packet) return undefined;
  const { source, protocol, body } = packet;
  const carried = (from: number) => body.toString("hex", from, from + 32);
  const port = body.length >= 4 ? body.readUInt16BE(2) : 0;
  // RFC 9293, 3.1: flags SYN without ACK. RFC 9260, 3.3.2: chunk type 1 is INIT.
  if (protocol === 6 && body.length >= 20 && (body.readUInt8(13) & 0x12) === 0x02)
    return { source, protocol: "TCP", port, mark: body.toString("hex", 4, 8) };
  if (protocol === 17 && body.length > 8) return { source, protocol: "UDP", port, mark: carried(8) };
  if (protocol === 132 && body.length >= 20 && body.readUInt8(12) === 1)
    return { source, protocol: "SCTP", port, mark: body.toString("hex", 16, 20) };
  const echo = (protocol === 1 && body[0] === 8) || (protocol === 58 && body[0] === 128);
  return echo && body.length > 8 ? { source, protocol: "ICMP", mark: carried(8) } : undefined;
}

interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** IANA number. */
  readonly protocol: number;
  /** Empty for later fragments. */
  readonly body: Buffer;
}

function packetOf(bytes: Uint8Array): Packet | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (frame.length < 34) return undefined;
  let at = 12;
  let type = frame.readUInt16BE(at);
  // IEEE 802.1Q tags
  while ((type === 0x8100 || type === 0x88a8) && frame.length >= at + 6) {
    at += 4;
    type = frame.readUInt16BE(at);
  }
  const packet = frame.subarray(at + 2);
  if (type === 0x0800) return packet4(packet);
  return type === 0x86dd && packet.length >= 40 ? packet6(packet) : undefined;
}

function packet4(packet: Buffer): Packet | undefined {
  const length = (packet.readUInt8(0) & 15) * 4;
  if (packet.length < length || length < 20) return undefined;
  const address = (offset: number) => formatIp({ family: 4, value: BigInt(packet.readUInt32BE(offset)) });
  // Later fragments have no ports.
  const isFirst = (packet.readUInt16BE(6) & 0x1fff) === 0;
  return {
    source: address(12),
    destination: address(16),
    ttl: packet.readUInt8(8),
    protocol: packet.readUInt8(9),
    body: isFirst ? packet.subarray(length) : Buffer.alloc(0),
  };
}

function packet6(packet: Buffer): Packet {
  const address = (offset: number) =>
    formatIp({ family: 6, value: BigInt(`0x${packet.toString("hex", offset, offset + 16)}`) });
  return {
    source: address(8),
    destination: address(24),
    ttl: packet.readUInt8(7),
    protocol: packet.readUInt8(6),
    body: packet.subarray(40),
  };
}

function transport(
  number: number,
  body: Buffer,
): Pick<Decoded, "protocol" | "sourcePort" | "destinationPort" | "flags"> {
  const protocol = protocols[number] ?? String(number);
  const hasPorts = (number === 6 || number === 17 || number === 132) && body.length >= 4;
  const bits = number === 6 && body.length >= 14 ? body.readUInt8(13) : 0;
  return {
    protocol,
    sourcePort: hasPorts ? body.readUInt16BE(0) : null,
    destinationPort: hasPorts ? body.readUInt16BE(2) : null,
    flags: bits === 0 ? null : tcpFlags.filter((_, bit) => (bits & (1 << bit)) !== 0).join(","),
  };
}
