// Sockets made in a namespace and used from outside: a socket stays in the namespace it was made in.
import { Errno, libc } from "../ffi/libc.ts";
import { checked, refusal } from "../ffi/refusal.ts";
import type { CapturedFrame, Sockets } from "../kernel.ts";
import type { Context } from "../linux/context.ts";
import { familyNumber, familyOfText } from "../netlink/bytes.ts";
import { addressOf, socketAddress } from "./address.ts";
import {
  bindSocket,
  makeSocket,
  receiveDatagrams,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  sendDatagram,
} from "./descriptor.ts";
import { openPacketSocket, receivePacketFrames, sendPacketFrame } from "./packet.ts";

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
/** struct sockaddr_in6, the larger one. */
const ADDRESS_SIZE = 28;
const IPV4_ANY = "0.0.0.0";

export class LinuxSockets implements Sockets {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  listenTcp(address: string, port: number): number {
    const attempt = (): string => `listen on ${address} port ${port}/tcp`;
    return this.#open(address, SOCK_STREAM, IPPROTO_TCP, attempt, (fd) => {
      option(fd, SOL_SOCKET, SO_REUSEADDR);
      bindSocket(fd, socketAddress(address, port), attempt);
      checked(libc().listen(fd, BACKLOG), attempt);
    });
  }

  connectTcp(address: string, port: number, from?: string): number {
    const attempt = (): string => `connect to ${address} port ${port}/tcp${from ? ` from ${from}` : ""}`;
    return this.#open(address, SOCK_STREAM, IPPROTO_TCP, attempt, (fd) => {
      if (from !== undefined) bindSocket(fd, socketAddress(from, 0), attempt);
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
      bindSocket(fd, socketAddress(address, port), attempt);
    });
  }

  openRaw(family: 4 | 6, protocol: number, ends: { from?: string; to?: string } = {}): number {
    const attempt = (): string => `open a raw socket of protocol ${protocol}`;
    return this.#open(family === 4 ? IPV4_ANY : "::", SOCK_RAW, protocol, attempt, (fd) => {
      if (ends.from !== undefined) bindSocket(fd, socketAddress(ends.from, 0), attempt);
      if (ends.to === undefined) return;
      const to = socketAddress(ends.to, 0);
      checked(libc().connect(fd, to, to.length), attempt);
    });
  }

  sendRaw(fd: number, to: string, packet: Uint8Array): void {
    sendDatagram(fd, packet, socketAddress(to, 0), () => `send a raw packet to ${to}`);
  }

  receiveRaw(fd: number, onPacket: (packet: Uint8Array, from: string) => void): { stop(): void } {
    return receiveDatagrams(fd, ADDRESS_SIZE, (bytes, from) => onPacket(bytes, addressOf(from)));
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
    return this.#context.inside(() =>
      makeSocket(familyNumber(family), type, protocol, attempt, (fd) => {
        // '::' means IPv6 only, so that it can stand beside a listener on 0.0.0.0.
        if (family === 6 && type !== SOCK_RAW) option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        prepare(fd);
      }),
    );
  }
}

function option(fd: number, level: number, name: number): void {
  const on = Buffer.alloc(4);
  on.writeInt32LE(1);
  libc().setsockopt(fd, level, name, on, 4);
}
