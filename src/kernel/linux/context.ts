// What the parts of a handle share: the namespace, its request socket, and whether the handle is still open.
import { closeSync } from "node:fs";
import { TrunklineError } from "../../base/errors.ts";
import type { NetnsRef } from "../kernel.ts";
import { NETLINK_ROUTE, NetlinkSocket, type Request } from "../netlink/socket.ts";
import { inNetns, isHomeNetns, openNetns } from "../netns/enter.ts";

export class Context {
  /** The namespace itself; kept open so that the handle outlives the namespace's name. */
  readonly netnsFd: number;
  /** The handle is on the namespace that this process is in anyway. */
  readonly isHome: boolean;
  readonly #onClose = new Set<() => void>();
  #route: NetlinkSocket | undefined;
  #open = true;

  constructor(ref: NetnsRef) {
    this.netnsFd = openNetns(ref);
    try {
      this.isHome = isHomeNetns(this.netnsFd);
    } catch (error) {
      closeSync(this.netnsFd);
      throw error;
    }
  }

  /** @throws `kernel.closed` */
  check(attempt: () => string): void {
    if (!this.#open) throw new TrunklineError("kernel.closed", { attempt: attempt() });
  }

  /** Runs a synchronous function with this thread in the handle's namespace. */
  inside<T>(body: () => T): T {
    return this.isHome ? body() : inNetns(this.netnsFd, body);
  }

  /** The socket for rtnetlink requests. @throws `kernel.closed` */
  route(attempt: () => string): NetlinkSocket {
    this.check(attempt);
    this.#route ??= this.inside(() => new NetlinkSocket(NETLINK_ROUTE));
    return this.#route;
  }

  /** Makes one rtnetlink request and waits for it. @throws its refusal, `kernel.closed` */
  ask({ type, flags, build, attempt, onReply }: Request): void {
    this.route(attempt).request(type, flags, build, attempt, onReply);
  }

  /** Registers what is to be freed with the handle. Returns how to take it back, for what ends earlier. */
  onClose(free: () => void): () => void {
    this.#onClose.add(free);
    return () => void this.#onClose.delete(free);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const free of [...this.#onClose].toReversed()) free();
    this.#route?.close();
    closeSync(this.netnsFd);
  }
}
