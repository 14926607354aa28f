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
  if (type === 0x0800) return decode4(packet);
  return type === 0x86dd && packet.length >= 40 ? decode6(packet) : undefined;
}

function decode4(packet: Buffer): Decoded | undefined {
  const length = (packet.readUInt8(0) & 15) * 4;
  if (packet.length < length || length < 20) return undefined;
  const address = (offset: number) => formatIp({ family: 4, value: BigInt(packet.readUInt32BE(offset)) });
  // Later fragments have no ports.
  const isFirst = (packet.readUInt16BE(6) & 0x1fff) === 0;
  return {
    source: address(12),
    destination: address(16),
    ttl: packet.readUInt8(8),
    ...transport(packet.readUInt8(9), isFirst ? packet.subarray(length) : Buffer.alloc(0)),
  };
}

function decode6(packet: Buffer): Decoded {
  const address = (offset: number) =>
    formatIp({ family: 6, value: BigInt(`0x${packet.toString("hex", offset, offset + 16)}`) });
  return {
    source: address(8),
    destination: address(24),
    ttl: packet.readUInt8(7),
    ...transport(packet.readUInt8(6), packet.subarray(40)),
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
