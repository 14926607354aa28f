// packet(7) sockets: whole Ethernet frames, for announcing addresses and for watching what passes.
import type { CapturedFrame } from "../kernel.ts";
import { bindSocket, makeSocket, receiveDatagrams, SOCK_RAW, sendDatagram } from "./descriptor.ts";

const AF_PACKET = 17;
const ETH_P_ALL = 3;
/** struct sockaddr_ll */
const ADDRESS_SIZE = 20;
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;

/** Opens a socket in the namespace that this thread is in. @throws `kernel.refused` */
export function openPacketSocket(linkIndex = 0, etherType = ETH_P_ALL): number {
  const attempt = (): string => "open a packet socket";
  // The protocol number stands in network order; without one nothing is received until it is bound.
  return makeSocket(AF_PACKET, SOCK_RAW, 0, attempt, (fd) =>
    bindSocket(fd, linkAddress(linkIndex, etherType), attempt),
  );
}

/** @throws `kernel.refused` */
export function sendPacketFrame(fd: number, linkIndex: number, frame: Uint8Array): void {
  sendDatagram(fd, frame, linkAddress(linkIndex), () => `send a frame on link ${linkIndex}`);
}

export function receivePacketFrames(fd: number, onFrame: (frame: CapturedFrame) => void): { stop(): void } {
  return receiveDatagrams(fd, ADDRESS_SIZE, (bytes, from) => {
    const kind = from[10];
    onFrame({
      linkIndex: from.readInt32LE(4),
      direction: kind === PACKET_OUTGOING ? "out" : kind === PACKET_OTHERHOST ? "other" : "in",
      bytes,
    });
  });
}

function linkAddress(linkIndex: number, etherType = ETH_P_ALL): Buffer {
  const address = Buffer.alloc(ADDRESS_SIZE);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(etherType, 2);
  address.writeInt32LE(linkIndex, 4);
  return address;
}
