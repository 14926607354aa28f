// Sockets made in a namespace and used from outside: a socket stays in the namespace it was made in.
import { Errno, libc } from "../ffi/libc.ts";
import { checked, refusal } from "../ffi/refusal.ts";
import type { CapturedFrame, Sockets } from "../kernel.ts";
import type { Context } from "../linux/context.ts";
import { onReadable } from "../linux/poller.ts";
import { familyNumber, familyOfText } from "../netlink/bytes.ts";
import { addressOf, socketAddress } from "./address.ts";
import { openPacketSocket, receivePacketFrames, sendPacketFrame } from "./packet.ts";

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_IP = 0;
const IP_RECVERR = 11;
const IPPROTO_IPV6 = 41;
const IPV6_RECVERR = 25;
const IPV6_V6ONLY = 26;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const BACKLOG = 128;
const BURST = 64;
const IPV4_ANY = "0.0.0.0";
const packetBuffer = Buffer.alloc(65536);

export class LinuxSockets implements Sockets {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  listenTcp(address: string, port: number): number {
    const attempt = (): string => `listen on ${address} port ${port}/tcp`;
    return this.#open(address, SOCK_STREAM, IPPROTO_TCP, attempt, (fd) => {
      option(fd, SOL_SOCKET, SO_REUSEADDR);
      bind(fd, address, port, attempt);
      checked(libc().listen(fd, BACKLOG), attempt);
    });
  }

  connectTcp(address: string, port: number, from?: string): number {
    const attempt = (): string => `connect to ${address} port ${port}/tcp${from ? ` from ${from}` : ""}`;
    return this.#open(address, SOCK_STREAM, IPPROTO_TCP, attempt, (fd) => {
      if (from !== undefined) bind(fd, from, 0, attempt);
      const to = socketAddress(address, port);
      if (libc().connect(fd, to, to.length) === 0) return;
      const errno = libc().errno();
      if (errno !== Errno.EINPROGRESS) throw refusal(attempt(), errno);
    });
  }

  bindUdp(address: string, port: number, allErrors = false): number {
    const attempt = (): string => `listen on ${address} port ${port}/udp`;
    return this.#open(address, SOCK_DGRAM, IPPROTO_UDP, attempt, (fd) => {
      if (allErrors && familyOfText(address) === 4) option(fd, IPPROTO_IP, IP_RECVERR);
      else if (allErrors) option(fd, IPPROTO_IPV6, IPV6_RECVERR);
      bind(fd, address, port, attempt);
    });
  }

  openRaw(family: 4 | 6, protocol: number, ends: { from?: string; to?: string } = {}): number {
    const attempt = (): string => `open a raw socket of protocol ${protocol}`;
    return this.#open(family === 4 ? IPV4_ANY : "::", SOCK_RAW, protocol, attempt, (fd) => {
      if (ends.from !== undefined) bind(fd, ends.from, 0, attempt);
      if (ends.to === undefined) return;
      const to = socketAddress(ends.to, 0);
      checked(libc().connect(fd, to, to.length), attempt);
    });
  }

  sendRaw(fd: number, to: string, packet: Uint8Array): void {
    const address = socketAddress(to, 0);
    const sent = libc().sendto(fd, packet, packet.length, 0, address, address.length);
    checked(sent, () => `send a raw packet to ${to}`);
  }

  receiveRaw(fd: number, onPacket: (packet: Uint8Array, from: string) => void): { stop(): void } {
    let receiving = true;
    const watcher = onReadable(fd, () => {
      for (let left = BURST; left > 0 && receiving; left--) {
        const from = Buffer.alloc(28);
        const fromLength = Buffer.alloc(4);
        fromLength.writeUInt32LE(from.length);
        const length = libc().recvfrom(fd, packetBuffer, packetBuffer.length, 0, from, fromLength);
        if (length < 0) {
          const errno = libc().errno();
          if (errno === Errno.EAGAIN || errno === Errno.EINTR) return;
          // What the network told about an earlier packet (unreachable); the next ones can be read.
          continue;
        }
        onPacket(Uint8Array.from(packetBuffer.subarray(0, length)), addressOf(from));
      }
    });
    return {
      stop: () => {
        receiving = false;
        watcher.stop();
      },
    };
  }

  openPacket(linkIndex?: number, etherType?: number): number {
    this.#context.check(() => "open a packet socket");
    return this.#context.inside(() => openPacketSocket(linkIndex, etherType));
  }

  sendPacket(fd: number, linkIndex: number, frame: Uint8Array): void {
    sendPacketFrame(fd, linkIndex, frame);
  }

  receivePackets(fd: number, onFrame: (frame: CapturedFrame) => void): { stop(): void } {
    return receivePacketFrames(fd, onFrame);
  }

  close(fd: number): void {
    libc().close(fd);
  }

  #open(
    address: string,
    type: number,
    protocol: number,
    attempt: () => string,
    prepare: (fd: number) => void,
  ): number {
    this.#context.check(attempt);
    const family = familyOfText(address);
    return this.#context.inside(() => {
      const fd = checked(libc().socket(familyNumber(family), type | SOCK_FLAGS, protocol), attempt);
      try {
        // '::' means IPv6 only, so that it can stand beside a listener on 0.0.0.0.
        if (family === 6 && type !== SOCK_RAW) option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        prepare(fd);
        return fd;
      } catch (error) {
        libc().close(fd);
        throw error;
      }
    });
  }
}

function option(fd: number, level: number, name: number): void {
  const on = Buffer.alloc(4);
  on.writeInt32LE(1);
  libc().setsockopt(fd, level, name, on, 4);
}

function bind(fd: number, address: string, port: number, attempt: () => string): void {
  const own = socketAddress(address, port);
  checked(libc().bind(fd, own, own.length), attempt);
}
