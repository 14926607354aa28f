// Removing links off the event loop. The kernel makes every removal wait for RCU (some 20 ms) but lets the links of one
// group share that wait, so removals that come while one is under way are put into a group and go together.
import { TrunklineError } from "../../base/errors.ts";
import { inBackground } from "../ffi/background.ts";
import { Errno, errnoName, libc } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import { POD_LINK_GROUP } from "../kernel.ts";
import { LinkMessage, writeGroupRemoval, writeLinkGroup, writeLinkRemoval } from "../netlink/link.ts";
import { eachMessage, Flag, MessageType, MessageWriter, readAck } from "../netlink/message.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../netlink/socket.ts";
import type { Context } from "./context.ts";

interface Pending {
  readonly index: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** A link in one of these groups is about to go; for the rules (POD_LINK_GROUP) it is a pod's all the same. */
const FIRST_GROUP = POD_LINK_GROUP + 1;
const GROUPS = 0xfff0;
let groupsUsed = 0;

const attempt = (): string => "remove links";

export class LinkRemover {
  readonly #context: Context;
  /** A socket of its own, since another thread waits on it. */
  #socket: NetlinkSocket | undefined;
  #waiting: Pending[] = [];
  #busy = false;
  #closed = false;

  constructor(context: Context) {
    this.#context = context;
    context.onClose(() => this.#close());
  }

  /** Resolves when the link is gone. */
  remove(index: number): Promise<void> {
    this.#socket ??= this.#context.inside(() => new NetlinkSocket(NETLINK_ROUTE));
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ index, resolve, reject });
      // Wait for the end of this turn: callers often remove several links in one go.
      if (!this.#busy) {
        this.#busy = true;
        setImmediate(() => void this.#run(socket));
      }
    });
  }

  async #run(socket: NetlinkSocket): Promise<void> {
    for (let batch = this.#waiting.splice(0); batch.length > 0; batch = this.#waiting.splice(0)) {
      const errno = await settle(socket, batch);
      // One link that cannot be removed (the loopback) keeps its whole group: then each goes alone.
      if (errno !== 0) for (const one of batch) await settle(socket, [one]);
    }
    this.#busy = false;
    if (this.#closed) this.#free();
  }

  #close(): void {
    this.#closed = true;
    if (!this.#busy) this.#free();
  }

  #free(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** Removes links and tells those who wait; returns an errno where several were refused together, and tells nobody. */
async function settle(socket: NetlinkSocket, batch: readonly Pending[]): Promise<number> {
  try {
    const errno = await removeBatch(socket, batch);
    if (errno !== 0 && batch.length > 1) return errno;
    for (const { resolve, reject } of batch) {
      if (errno === 0) resolve();
      else reject(refusal(attempt(), errno));
    }
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
  return 0;
}

async function removeBatch(socket: NetlinkSocket, batch: readonly Pending[]): Promise<number> {
  const bytes = batch.length === 1 ? single(socket, batch[0]!.index) : group(socket, batch);
  if (bytes === undefined) return 0;
  const sent = await inBackground((done) => libc().sendAsync(socket.fd, bytes, bytes.length, 0, done));
  const errno = sent.errno === 0 ? readOutcome(socket) : sent.errno;
  // ENODEV: gone already, by its peer's removal or by somebody else.
  return errno === Errno.ENODEV ? 0 : errno;
}

/** A writer whose bytes live until the other thread has sent them. */
function message(socket: NetlinkSocket, build: (writer: MessageWriter) => void): Buffer {
  const flags = Flag.request | Flag.ack;
  const writer = new MessageWriter(64).begin(LinkMessage.delete, flags, socket.nextSequence());
  build(writer);
  return writer.finish();
}

function single(socket: NetlinkSocket, index: number): Buffer {
  return message(socket, (writer) => writeLinkRemoval(writer, index));
}

/** Puts the links into a new group and returns the request that removes it; undefined where all are gone already. */
function group(socket: NetlinkSocket, batch: readonly Pending[]): Buffer | undefined {
  const number = FIRST_GROUP + (groupsUsed++ % GROUPS);
  let members = 0;
  for (const { index } of batch) {
    const build = (writer: MessageWriter): void => writeLinkGroup(writer, index, number);
    const { errno, text } = socket.tryRequest(LinkMessage.set, 0, build, attempt);
    if (errno === 0) members++;
    else if (errno !== Errno.ENODEV) throw refusal(attempt(), errno, text);
  }
  return members === 0 ? undefined : message(socket, (writer) => writeGroupRemoval(writer, number));
}

const answer = Buffer.alloc(8192);

function readOutcome(socket: NetlinkSocket): number {
  const length = libc().recv(socket.fd, answer, answer.length, 0);
  if (length < 0) return libc().errno();
  let errno: number | undefined;
  eachMessage(answer, length, (received) => {
    if (received.type === MessageType.error) errno = readAck(received).errno;
    return undefined;
  });
  if (errno === undefined)
    throw new TrunklineError("kernel.refused", {
      attempt: attempt(),
      errno: errnoName(0),
      text: "no acknowledgement",
    });
  return errno;
}
