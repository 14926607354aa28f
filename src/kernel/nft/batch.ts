// Element batches over a netlink socket of our own. Unlike libnftables, which reads the table's sets and chains before it
// changes any, this asks the kernel nothing: what a set's elements look like is known from its definition.
import { inBackground } from "../ffi/background.ts";
import { Errno, errnoName, libc } from "../ffi/libc.ts";
import type { Context } from "../linux/context.ts";
import { MessageType, readAck } from "../netlink/message.ts";
import { bindNetlink, NETLINK_NETFILTER, NetlinkSocket, portOf, setSendBuffer } from "../netlink/socket.ts";
import type { Batch } from "./elements.ts";

/** Above this many bytes the kernel works on a batch for longer than the event loop should wait: another thread sends it. */
const MOST_AT_ONCE = 16 * 1024;

const attempt = (): string => "change elements of nftables' sets";

/** As nft and the C library word them. */
const words: Readonly<Record<string, string>> = {
  ENOENT: "No such file or directory",
  EEXIST: "File exists",
  EBUSY: "Device or resource busy",
  EINVAL: "Invalid argument",
  EPERM: "Operation not permitted",
  ENOSPC: "No space left on device",
  ENOMEM: "Cannot allocate memory",
  ENFILE: "Too many open files in system",
  EMFILE: "Too many open files",
  ELOOP: "Too many levels of symbolic links",
};

export class BatchSocket {
  readonly #context: Context;
  #socket: NetlinkSocket | undefined;
  #port: number | undefined;
  #room = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Not while a batch is under way. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** The port id that the kernel's notices of our batches carry; undefined before the first. */
  get port(): number | undefined {
    return this.#port;
  }

  /**
   * Runs a batch; one at a time.
   * @param encode makes the batch, with the socket's sequence numbers; undefined: it cannot
   * @returns false where there is no batch, else why the kernel refuses it, undefined where it is in force
   */
  async run(
    encode: (nextSequence: () => number) => Batch | undefined,
  ): Promise<{ readonly refused: string | undefined } | false> {
    const socket = this.#open();
    const batch = encode(() => socket.nextSequence());
    if (batch === undefined) return false;
    this.#makeRoom(socket, batch.bytes.length);
    const { bytes } = batch;
    for (;;) {
      const { result, errno } =
        bytes.length <= MOST_AT_ONCE
          ? sendNow(socket.fd, bytes)
          : await inBackground((done) => libc().sendAsync(socket.fd, bytes, bytes.length, 0, done));
      if (result >= 0) break;
      if (errno !== Errno.EINTR) return { refused: wordsOf(errno) };
    }
    return { refused: this.#outcome(socket, batch) };
  }

  /** Asks the kernel something over the same socket; not while a batch is under way. */
  ask<T>(question: (socket: NetlinkSocket) => T): T {
    return question(this.#open());
  }

  #open(): NetlinkSocket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = this.#context.inside(() => new NetlinkSocket(NETLINK_NETFILTER));
    // Named now: the notice of the first batch must be known as ours.
    bindNetlink(socket.fd);
    this.#port = portOf(socket.fd);
    this.#socket = socket;
    return socket;
  }

  #makeRoom(socket: NetlinkSocket, bytes: number): void {
    if (bytes <= this.#room) return;
    this.#room = Math.max(256 * 1024, bytes * 2);
    setSendBuffer(socket.fd, this.#room);
  }

  /** Reads what became of the messages: refusals in their order, and then the last one's acknowledgement. */
  #outcome(socket: NetlinkSocket, { begin, messages }: Batch): string | undefined {
    const known = new Map(messages.map((message) => [message.sequence, message]));
    const last = messages.at(-1)?.sequence;
    let refused: string | undefined;
    let isOver = messages.length === 0;
    while (!isOver)
      socket.receive(attempt, (message) => {
        if (message.type !== MessageType.error) return;
        const { errno, text, offset } = readAck(message);
        // Told of the beginning is what became of the batch as a whole: what comes after it is passed over next time.
        if (message.sequence === last || (message.sequence === begin && errno !== 0)) isOver = true;
        if (errno === 0 || refused !== undefined) return;
        const one = known.get(message.sequence);
        if (one === undefined && message.sequence !== begin) return;
        const place = one?.places.findLast((each) => offset !== undefined && each.offset <= offset);
        const subject = place === undefined ? "" : `element ${place.key} of `;
        const kind = one?.isFlowtable ? "flow table" : "set";
        const what = one === undefined ? "" : `${subject}${kind} ${one.set}: `;
        refused = `${what}${wordsOf(errno)}${text === undefined ? "" : ` (${text})`}`;
      });
    return refused;
  }
}

function sendNow(fd: number, bytes: Buffer): { result: number; errno: number } {
  const result = libc().send(fd, bytes, bytes.length, 0);
  return { result, errno: result < 0 ? libc().errno() : 0 };
}

function wordsOf(errno: number): string {
  const name = errnoName(errno);
  return words[name] ?? name;
}
