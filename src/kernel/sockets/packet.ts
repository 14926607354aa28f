// packet(7) sockets: whole Ethernet frames, for announcing addresses and for watching what passes.
import { Errno, libc } from "../ffi/libc.ts";
import { checked, refusal } from "../ffi/refusal.ts";
import type { CapturedFrame } from "../kernel.ts";
import { onReadable } from "../linux/poller.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** SOCK_NONBLOCK | SOCK_CLOEXEC */
const SOCK_FLAGS = 0o2004000;
const ETH_P_ALL = 3;
/** struct sockaddr_ll */
const ADDRESS_SIZE = 20;
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;
const BURST = 64;
const frameBuffer = Buffer.alloc(65536);

/** Opens a socket in the namespace that this thread is in. @throws `kernel.refused` */
export function openPacketSocket(linkIndex = 0, etherType = ETH_P_ALL): number {
  const attempt = (): string => "open a packet socket";
  // The protocol number stands in network order; without one nothing is received until it is bound.
  const fd = checked(libc().socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0), attempt);
  const address = linkAddress(linkIndex, etherType);
  if (libc().bind(fd, address, address.length) === 0) return fd;
  const errno = libc().errno();
  libc().close(fd);
  throw refusal(attempt(), errno);
}

/** @throws `kernel.refused` */
export function sendPacketFrame(fd: number, linkIndex: number, frame: Uint8Array): void {
  const to = linkAddress(linkIndex);
  const sent = libc().sendto(fd, frame, frame.length, 0, to, to.length);
  checked(sent, () => `send a frame on link ${linkIndex}`);
}

export function receivePacketFrames(fd: number, onFrame: (frame: CapturedFrame) => void): { stop(): void } {
  let receiving = true;
  const watcher = onReadable(fd, () => {
    for (let left = BURST; left > 0 && receiving; left--) {
      const from = Buffer.alloc(ADDRESS_SIZE);
      const fromLength = Buffer.alloc(4);
      fromLength.writeUInt32LE(from.length);
      const length = libc().recvfrom(fd, frameBuffer, frameBuffer.length, 0, from, fromLength);
      if (length < 0) {
        const errno = libc().errno();
        if (errno === Errno.EAGAIN || errno === Errno.EINTR) return;
        // ENETDOWN: a link went down; others go on.
        continue;
      }
      const kind = from[10];
      onFrame({
        linkIndex: from.readInt32LE(4),
        direction: kind === PACKET_OUTGOING ? "out" : kind === PACKET_OTHERHOST ? "other" : "in",
        bytes: Uint8Array.from(frameBuffer.subarray(0, length)),
      });
    }
  });
  return {
    stop: () => {
      receiving = false;
      watcher.stop();
    },
  };
}

function linkAddress(linkIndex: number, etherType = ETH_P_ALL): Buffer {
  const address = Buffer.alloc(ADDRESS_SIZE);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(etherType, 2);
  address.writeInt32LE(linkIndex, 4);
  return address;
}
