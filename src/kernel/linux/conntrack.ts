import { formatIp, parseIp } from "../../base/ip.ts";
import { Turns } from "../../base/turns.ts";
import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Conntrack, ConntrackFlow } from "../kernel.ts";
import {
  ConntrackMessage,
  readConnectionCount,
  readConntrack,
  writeConntrackQuery,
  writeConntrackRemoval,
} from "../netlink/conntrack.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/socket.ts";
import type { Context } from "./context.ts";

export class LinuxConntrack implements Conntrack {
  readonly #context: Context;
  #socket: NetlinkSocket | undefined;
  /** Lists take turns on a socket of their own, since another thread waits on it. */
  #lister: NetlinkSocket | undefined;
  readonly #lists = new Turns();

  constructor(context: Context) {
    this.#context = context;
    context.onClose(() => {
      this.#socket?.close();
      // The number must not become another file's while a thread may still use it.
      void this.#lists.settled().then(() => this.#lister?.close());
    });
  }

  list(filter: { family?: 4 | 6; address?: string } = {}): Promise<ConntrackFlow[]> {
    return this.#lists.run(() => this.#list(filter));
  }

  async #list({ family, address }: { family?: 4 | 6; address?: string }): Promise<ConntrackFlow[]> {
    const attempt = (): string => "list connections";
    const wanted = address === undefined ? undefined : formatIp(parseIp(address));
    this.#context.check(attempt);
    this.#lister ??= this.#context.inside(() => new NetlinkSocket(NETLINK_NETFILTER));
    if (this.#count(this.#lister, attempt) === 0) return [];
    const found: ConntrackFlow[] = [];
    // The kernel walks its whole table for a dump, so both families are asked for at once.
    const { errno, text } = await this.#lister.dumpInBackground(
      ConntrackMessage.get,
      (writer) => writeConntrackQuery(writer, family),
      attempt,
      (message) => {
        const flow = readConntrack(message);
        if (flow && (wanted === undefined || touches(flow, wanted))) found.push(flow);
      },
    );
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  /**
   * Returns how many connections there are; undefined where the kernel does not tell. All namespaces' connections are in one
   * table, which takes milliseconds to walk, also for a namespace that has none.
   */
  #count(socket: NetlinkSocket, attempt: () => string): number | undefined {
    let count: number | undefined;
    socket.tryRequest(
      ConntrackMessage.figures,
      0,
      (writer) => writeConntrackQuery(writer, undefined),
      attempt,
      (message) => {
        count = readConnectionCount(message);
      },
    );
    return count;
  }

  remove(flow: ConntrackFlow): void {
    const attempt = (): string =>
      `forget the connection ${flow.original.source} to ${flow.original.destination}`;
    const { errno, text } = this.#open(attempt).tryRequest(
      ConntrackMessage.delete,
      0,
      (writer) => writeConntrackRemoval(writer, flow),
      attempt,
    );
    if (errno !== 0 && errno !== Errno.ENOENT) throw refusal(attempt(), errno, text);
  }

  #open(attempt: () => string): NetlinkSocket {
    this.#context.check(attempt);
    this.#socket ??= this.#context.inside(() => new NetlinkSocket(NETLINK_NETFILTER));
    return this.#socket;
  }
}

function touches(flow: ConntrackFlow, address: string): boolean {
  return [flow.original, flow.reply].some((one) => one.source === address || one.destination === address);
}
