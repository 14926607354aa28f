import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { RateLimitState, RateLimits } from "../kernel.ts";
import type { Message } from "../netlink/message.ts";
import {
  QdiscMessage,
  readOtherQueue,
  readRateLimit,
  writeQdiscQuery,
  writeRateLimitRemoval,
} from "../netlink/qdisc.ts";
import type { Context } from "./context.ts";

export class LinuxRateLimits implements RateLimits {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  list(): RateLimitState[] {
    return this.#read(readRateLimit);
  }

  others(): { linkIndex: number; kind: string }[] {
    return this.#read(readOtherQueue);
  }

  #read<T>(reader: (message: Message) => T | undefined): T[] {
    const attempt = (): string => "list queues";
    const found: T[] = [];
    const { errno, text } = this.#context.route(attempt).dump(
      QdiscMessage.get,
      writeQdiscQuery,
      attempt,
      (message) => {
        const one = reader(message);
        if (one !== undefined) found.push(one);
      },
      () => found.splice(0),
    );
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  remove(linkIndex: number): void {
    const attempt = (): string => `take the rate limit of link ${linkIndex} away`;
    // The kernel goes by the link alone where the handle is not the root's: somebody else's would be taken.
    if (!this.list().some((one) => one.linkIndex === linkIndex)) return;
    const { errno, text } = this.#context
      .route(attempt)
      .tryRequest(QdiscMessage.delete, 0, (writer) => writeRateLimitRemoval(writer, linkIndex), attempt);
    if (errno !== 0 && errno !== Errno.ENOENT && errno !== Errno.ENODEV)
      throw refusal(attempt(), errno, text);
  }
}
