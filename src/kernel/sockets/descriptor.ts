// What sockets of every family have in common: made ready or closed again, and read in bursts without blocking.
import { Errno, libc } from "../ffi/libc.ts";
import { checked } from "../ffi/refusal.ts";
import { onReadable } from "../linux/poller.ts";

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
/** SOCK_NONBLOCK | SOCK_CLOEXEC */
const SOCK_FLAGS = 0o2004000;
/** As many datagrams are read before others get their turn. */
const BURST = 64;
// Copied out of before the next one is read.
const buffer = Buffer.alloc(65536);

/**
 * Makes a socket in the namespace that this thread is in; `prepare` may throw, and then there is no socket.
 * @throws `kernel.refused`, and what `prepare` throws
 */
export function makeSocket(
  domain: number,
  type: number,
  protocol: number,
  attempt: () => string,
  prepare: (fd: number) => void,
): number {
  const fd = checked(libc().socket(domain, type | SOCK_FLAGS, protocol), attempt);
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** @throws `kernel.refused` */
export function bindSocket(fd: number, address: Buffer, attempt: () => string): void {
  checked(libc().bind(fd, address, address.length), attempt);
}

/** @throws `kernel.refused` */
export function sendDatagram(fd: number, bytes: Uint8Array, to: Buffer, attempt: () => string): void {
  checked(libc().sendto(fd, bytes, bytes.length, 0, to, to.length), attempt);
}

/** Hands over every datagram with its sender's address, a sockaddr of at most `addressSize` bytes, until stopped. */
export function receiveDatagrams(
  fd: number,
  addressSize: number,
  onDatagram: (bytes: Uint8Array, from: Buffer) => void,
): { stop(): void } {
  let receiving = true;
  const watcher = onReadable(fd, () => {
    for (let left = BURST; left > 0 && receiving; left--) {
      const from = Buffer.alloc(addressSize);
      const fromLength = Buffer.alloc(4);
      fromLength.writeUInt32LE(addressSize);
      const length = libc().recvfrom(fd, buffer, buffer.length, 0, from, fromLength);
      if (length >= 0) {
        onDatagram(Uint8Array.from(buffer.subarray(0, length)), from);
        continue;
      }
      const errno = libc().errno();
      if (errno === Errno.EAGAIN || errno === Errno.EINTR) return;
      // What the network told about an earlier packet (unreachable), or a link that went down: the next can be read.
    }
  });
  return {
    stop: () => {
      receiving = false;
      watcher.stop();
    },
  };
}
