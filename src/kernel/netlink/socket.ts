// A netlink socket for requests that are answered at once, in the sender's own context.
import { TrunklineError } from "../../base/errors.ts";
import { inBackground } from "../ffi/background.ts";
import { Errno, libc } from "../ffi/libc.ts";
import { checked, refusal } from "../ffi/refusal.ts";
import { eachMessage, Flag, type Message, MessageType, MessageWriter, readAck, readDone } from "./message.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_XFRM = 6;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
const SOL_NETLINK = 270;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
export const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const DUMP_ATTEMPTS = 8;

/** One receive buffer for all sockets: reading is synchronous and every message is used up before the next read. */
const receiveBuffer = Buffer.alloc(256 * 1024);
/** And one writer: a request is built and sent without anything in between. */
const sharedWriter = new MessageWriter();

/** Opens a netlink socket in the namespace that the thread is in. @returns its descriptor */
export function openNetlink(protocol: number, flags = 0): number {
  const fd = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
  return checked(fd, () => "open a netlink socket");
}

/** Lets the kernel name the socket's port. Without one a socket gets no multicast: notices leave out port 0. */
export function bindNetlink(fd: number): void {
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK);
  checked(libc().bind(fd, address, address.length), () => "bind a netlink socket");
}

/** Returns the port id that the kernel has named a socket's, by which its notices tell who made a change. */
export function portOf(fd: number): number | undefined {
  const address = Buffer.alloc(12);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  return libc().getsockname(fd, address, length) === 0 ? address.readUInt32LE(4) : undefined;
}

/** Sets an integer option of a netlink socket; false where the kernel does not know it. */
export function setNetlinkOption(fd: number, option: number, value: number): boolean {
  return setInteger(fd, SOL_NETLINK, option, value);
}

/** Asks for a receive buffer of that many bytes, beyond the system's limit where we may. */
export function setReceiveBuffer(fd: number, size: number): void {
  if (!setInteger(fd, SOL_SOCKET, SO_RCVBUFFORCE, size)) setInteger(fd, SOL_SOCKET, SO_RCVBUF, size);
}

/** Makes room for one message of that many bytes, beyond the system's limit where we may. */
export function setSendBuffer(fd: number, size: number): void {
  if (!setInteger(fd, SOL_SOCKET, SO_SNDBUFFORCE, size)) setInteger(fd, SOL_SOCKET, SO_SNDBUF, size);
}

function setInteger(fd: number, level: number, option: number, value: number): boolean {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return libc().setsockopt(fd, level, option, bytes, 4) === 0;
}

export type Received = { readonly length: number } | "empty" | "lost";

/** Reads one datagram of a non-blocking socket into the shared buffer. "lost": the kernel dropped messages. */
export function receiveEvent(fd: number): { bytes: Buffer; result: Received } {
  const length = libc().recv(fd, receiveBuffer, receiveBuffer.length, MSG_TRUNC);
  if (length >= 0)
    return { bytes: receiveBuffer, result: length > receiveBuffer.length ? "lost" : { length } };
  const errno = libc().errno();
  if (errno === Errno.ENOBUFS) return { bytes: receiveBuffer, result: "lost" };
  if (errno === Errno.EAGAIN || errno === Errno.EINTR) return { bytes: receiveBuffer, result: "empty" };
  throw refusal("read kernel events", errno);
}

/** A request of several that go together. */
export interface Request {
  readonly type: number;
  /** Beside those of every request. */
  readonly flags: number;
  readonly build: (writer: MessageWriter) => void;
  readonly attempt: () => string;
  /** Messages that come before its acknowledgement. */
  readonly onReply?: (message: Message) => void;
}

export interface Outcome {
  readonly errno: number;
  readonly text: string | undefined;
}

const done: Outcome = { errno: 0, text: undefined };

export class NetlinkSocket {
  readonly fd: number;
  #sequence = 0;

  /** Opens it in the namespace that the thread is in now; it stays there. */
  constructor(protocol: number, flags = 0) {
    this.fd = openNetlink(protocol, flags);
    setNetlinkOption(this.fd, NETLINK_EXT_ACK, 1);
    setNetlinkOption(this.fd, NETLINK_CAP_ACK, 1);
    setNetlinkOption(this.fd, NETLINK_GET_STRICT_CHK, 1);
    // An answer comes before send returns; the limit is there so that a kernel bug cannot freeze the process.
    const limit = Buffer.alloc(16);
    limit.writeBigInt64LE(10n, 0);
    libc().setsockopt(this.fd, SOL_SOCKET, SO_RCVTIMEO, limit, 16);
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    return this.#sequence;
  }

  /**
   * Sends a request built by `build` and waits for its acknowledgement. Messages that come before it go to `onReply`.
   * @throws the errno's error, with the kernel's text
   */
  request(
    type: number,
    flags: number,
    build: (writer: MessageWriter) => void,
    attempt: () => string,
    onReply?: (message: Message) => void,
  ): void {
    const outcome = this.tryRequest(type, flags, build, attempt, onReply);
    if (outcome.errno !== 0) throw refusal(attempt(), outcome.errno, outcome.text);
  }

  /** The same, but a refusal is returned for the caller to judge (removing what is gone already). */
  tryRequest(
    type: number,
    flags: number,
    build: (writer: MessageWriter) => void,
    attempt: () => string,
    onReply?: (message: Message) => void,
  ): { errno: number; text: string | undefined } {
    const sequence = this.nextSequence();
    sharedWriter.begin(type, Flag.request | Flag.ack | flags, sequence);
    build(sharedWriter);
    this.#send(sharedWriter.finish(), attempt);
    return this.#answers(sequence, attempt, onReply);
  }

  /**
   * Lists objects: sends a dump request and calls `visit` with each one. A dump that the kernel says was disturbed by
   * a change (NLM_F_DUMP_INTR) is told by `restart` and made again.
   */
  dump(
    type: number,
    build: (writer: MessageWriter) => void,
    attempt: () => string,
    visit: (message: Message) => void,
    restart: () => void,
  ): { errno: number; text: string | undefined } {
    for (let left = DUMP_ATTEMPTS; ; left--) {
      let disturbed = false;
      const sequence = this.nextSequence();
      sharedWriter.begin(type, Flag.request | Flag.dump, sequence);
      build(sharedWriter);
      this.#send(sharedWriter.finish(), attempt);
      const outcome = this.#answers(sequence, attempt, (message) => {
        if ((message.flags & Flag.dumpInterrupted) !== 0) disturbed = true;
        visit(message);
      });
      // A table that changes all the time is given as it was found: the caller reads again at the next event anyway.
      if ((!disturbed && !outcome.interrupted) || left <= 1) return outcome;
      restart();
    }
  }

  /**
   * The same for tables that the kernel takes milliseconds to walk, which it does while it takes the request: on a pool
   * thread. One at a time, on a socket that nobody else uses meanwhile. Connection tracking does not tell whether a dump
   * was disturbed, so none is made again.
   */
  async dumpInBackground(
    type: number,
    build: (writer: MessageWriter) => void,
    attempt: () => string,
    visit: (message: Message) => void,
  ): Promise<{ errno: number; text: string | undefined }> {
    const sequence = this.nextSequence();
    // A writer of its own: its bytes live until the other thread has sent them.
    const writer = new MessageWriter(64).begin(type, Flag.request | Flag.dump, sequence);
    build(writer);
    await this.#sendInBackground(writer.finish(), attempt);
    return this.#answers(sequence, attempt, visit);
  }

  /**
   * Sends several requests in one go on a pool thread, and resolves with what became of each. The kernel takes them in
   * order and goes on after one that it refuses. On a socket that nobody else uses meanwhile.
   */
  async requestsInBackground(requests: readonly Request[]): Promise<Outcome[]> {
    const first = this.nextSequence();
    const sequences = requests.map((_, at) => (at === 0 ? first : this.nextSequence()));
    const messages = requests.map(({ type, flags, build }, at) => {
      // A refusal is told in any case, so the last one's acknowledgement says enough of those before it.
      const ack = at === requests.length - 1 ? Flag.ack : 0;
      sharedWriter.begin(type, Flag.request | ack | flags, sequences[at]!);
      build(sharedWriter);
      return Buffer.from(sharedWriter.finish());
    });
    const attempt = requests[0]!.attempt;
    await this.#sendInBackground(Buffer.concat(messages), attempt);
    const refusals = new Map<number, Outcome>();
    const last = this.#answers(
      sequences.at(-1)!,
      attempt,
      (message) => requests[sequences.indexOf(message.sequence)]?.onReply?.(message),
      (sequence, outcome) => refusals.set(sequence, outcome),
    );
    return sequences.map((sequence, at) =>
      at === sequences.length - 1 ? last : (refusals.get(sequence) ?? done),
    );
  }

  /** Reads one datagram and calls `visit` with each message in it. */
  receive(attempt: () => string, visit: (message: Message) => void): void {
    const length = this.#receive(attempt);
    eachMessage(receiveBuffer, length, (message) => {
      visit(message);
      return undefined;
    });
  }

  close(): void {
    libc().close(this.fd);
  }

  #receive(attempt: () => string): number {
    for (;;) {
      const length = libc().recv(this.fd, receiveBuffer, receiveBuffer.length, 0);
      if (length >= 0) return length;
      const errno = libc().errno();
      if (errno === Errno.EINTR) continue;
      if (errno === Errno.EAGAIN) throw new TrunklineError("kernel.no-answer", { attempt: attempt() });
      throw refusal(attempt(), errno);
    }
  }

  async #sendInBackground(bytes: Buffer, attempt: () => string): Promise<void> {
    for (;;) {
      const { errno } = await inBackground((done) => libc().sendAsync(this.fd, bytes, bytes.length, 0, done));
      if (errno === 0) return;
      if (errno !== Errno.EINTR) throw refusal(attempt(), errno);
    }
  }

  #send(bytes: Buffer, attempt: () => string): void {
    for (;;) {
      if (libc().send(this.fd, bytes, bytes.length, 0) >= 0) return;
      const errno = libc().errno();
      if (errno !== Errno.EINTR) throw refusal(attempt(), errno);
    }
  }

  /**
   * Reads until the acknowledgement, or the end of the dump, that belongs to `sequence`. With `onRefusal` the answers to
   * others, which were sent before it in one go, are told too.
   */
  #answers(
    sequence: number,
    attempt: () => string,
    onReply?: (message: Message) => void,
    onRefusal?: (sequence: number, outcome: Outcome) => void,
  ): { errno: number; text: string | undefined; interrupted: boolean } {
    let outcome: { errno: number; text: string | undefined; interrupted: boolean } | undefined;
    while (outcome === undefined) {
      const length = this.#receive(attempt);
      eachMessage(receiveBuffer, length, (message) => {
        if (message.sequence !== sequence) {
          // Late answers of an earlier request that was given up are passed over.
          if (onRefusal === undefined) return undefined;
          if (message.type === MessageType.error) onRefusal(message.sequence, readAck(message));
          else onReply?.(message);
          return undefined;
        }
        if (message.type === MessageType.error) {
          outcome = { ...readAck(message), interrupted: false };
        } else if (message.type === MessageType.done) {
          outcome = { ...readDone(message), interrupted: (message.flags & Flag.dumpInterrupted) !== 0 };
        } else onReply?.(message);
        return undefined;
      });
    }
    return outcome;
  }
}
