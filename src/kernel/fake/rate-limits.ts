import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { RateLimit, RateLimitState, RateLimits } from "../kernel.ts";
import type { FakeContext } from "./context.ts";

export class FakeRateLimits implements RateLimits {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(): RateLimitState[] {
    const { links } = this.#context.namespace("list queues");
    return [...links].flatMap(([linkIndex, { rateLimit }]) =>
      rateLimit
        ? [
            {
              linkIndex,
              bytesPerSecond: rateLimit.bytesPerSecond,
              queue: rateLimit.queue,
              sentBytes: 0,
              drops: 0,
            },
          ]
        : [],
    );
  }

  others(): { linkIndex: number; kind: string }[] {
    return [];
  }

  put(limit: RateLimit): void {
    const attempt = `limit the rate of link ${limit.linkIndex}`;
    const home = this.#context.change("rateLimits.put", attempt);
    if (this.#context.machine.lacking.has("tbf"))
      throw refusal(attempt, Errno.ENOENT, "Specified qdisc kind is unknown");
    const link = home.links.get(limit.linkIndex);
    if (!link) throw refusal(attempt, Errno.ENODEV);
    link.rateLimit = limit;
  }

  remove(linkIndex: number): void {
    const home = this.#context.change("rateLimits.remove", `take the rate limit of link ${linkIndex} away`);
    delete home.links.get(linkIndex)?.rateLimit;
  }
}
