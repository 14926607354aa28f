// rtnetlink requests that wait on another thread. The kernel has one lock for all changes of links, addresses and routes,
// and whoever makes a link holds it for a millisecond. What is asked while a request is under way goes together next.
import { refusal } from "../ffi/refusal.ts";
import { NETLINK_ROUTE, NetlinkSocket, type Outcome, type Request } from "../netlink/socket.ts";
import type { Context } from "./context.ts";

interface Waiting {
  readonly requests: readonly Request[];
  resolve(outcomes: readonly Outcome[]): void;
  reject(error: unknown): void;
}

/** Requests that are sent in one go: their answers have to fit into the socket's buffer together. */
const MOST_TOGETHER = 64;

export class BackgroundRequests {
  readonly #context: Context;
  /** Not the handle's other socket: that one must stay free for whoever does not wait. */
  #socket: NetlinkSocket | undefined;
  readonly #waiting: Waiting[] = [];
  #busy = false;
  #closed = false;

  constructor(context: Context) {
    this.#context = context;
    context.onClose(() => {
      this.#closed = true;
      if (!this.#busy) this.#free();
    });
  }

  /** Makes requests in this order; rejects with the first one's refusal, when all were tried. */
  async run(requests: readonly Request[]): Promise<void> {
    const outcomes = await new Promise<readonly Outcome[]>((resolve, reject) => {
      this.#waiting.push({ requests, resolve, reject });
      if (!this.#busy) void this.#work();
    });
    const at = outcomes.findIndex(({ errno }) => errno !== 0);
    const refused = outcomes[at];
    if (refused) throw refusal(requests[at]!.attempt(), refused.errno, refused.text);
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) await this.#send(this.#take());
    this.#busy = false;
    if (this.#closed) this.#free();
  }

  #take(): Waiting[] {
    let count = 0;
    let requests = 0;
    for (const one of this.#waiting) {
      requests += one.requests.length;
      if (count > 0 && requests > MOST_TOGETHER) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      this.#socket ??= this.#context.inside(() => new NetlinkSocket(NETLINK_ROUTE));
      const outcomes = await this.#socket.requestsInBackground(batch.flatMap(({ requests }) => requests));
      let from = 0;
      for (const { requests, resolve } of batch) {
        resolve(outcomes.slice(from, from + requests.length));
        from += requests.length;
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  #free(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
