// Copies of BIRD's routes while BIRD may lose them: it forgets what the kernel has when it starts, and what a session
// told when the session is replaced by another. A copy has our protocol number and a higher metric, so that it carries
// only while BIRD's own route is away; after an agent's death a new agent knows the copies by the metric.
import { textOf } from "../../base/errors.ts";
import { cidrCovers, parseCidr } from "../../base/ip.ts";
import type { Logger } from "../../base/log.ts";
import { BIRD_PROTOCOL } from "../../bird/config/types.ts";
import { type Kernel, ROUTE_PROTOCOL, type Route } from "../../kernel/kernel.ts";

/** After our own routes (512) and BIRD's (32, or what a filter says). */
export const HOLD_METRIC = 1_000_000_513;

/** How a wait for BIRD stands. */
export interface Progress {
  /** BIRD has read the kernel's table and has gone through its recovery. */
  readonly recovered: boolean;
  /** Everything that it is to hear from speaks. */
  readonly complete: boolean;
}

/** Once BIRD speaks with its neighbours, routes come within a second or so (FRR's with its own timer). */
const SETTLE_MS = 3000;

export class RouteHolds {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** Of copies that an agent before this one has made: as long as neighbours are patient. */
  #limitMs = 130_000;
  #since = 0;
  #recoveredAt: number | undefined;
  #completeAt: number | undefined;
  #held: boolean;

  constructor(kernel: Kernel, logger: Logger, now: () => number = () => performance.now()) {
    this.#kernel = kernel;
    this.#logger = logger;
    this.#now = now;
    this.#held = this.#copies().length > 0;
    this.#since = now();
  }

  /** Whether there are copies, or may be. */
  get active(): boolean {
    return this.#held;
  }

  /** Returns whether the kernel has routes of BIRD's. */
  anyOfBird(): boolean {
    return this.#routesOfBird().length > 0;
  }

  /**
   * Copies what BIRD has in the kernel now. `limitMs`: how long the copies stay at most; `except`: ranges that are not
   * to be in the kernel, though BIRD may have put them there before it was told so.
   */
  take(limitMs: number, except: readonly string[] = []): void {
    this.#limitMs = limitMs;
    this.#since = this.#now();
    this.#recoveredAt = undefined;
    this.#completeAt = undefined;
    const left = except.map(parseCidr);
    const routes = this.#routesOfBird().filter(
      ({ destination }) => !left.some((range) => cidrCovers(range, parseCidr(destination))),
    );
    for (const route of routes) this.#put({ ...route, protocol: ROUTE_PROTOCOL, metric: HOLD_METRIC });
    this.#held ||= routes.length > 0;
    if (routes.length > 0) this.#logger.info({ routes: routes.length }, "routes of BIRD's are held");
  }

  /** Takes away the copies that are not needed any more. */
  review({ recovered, complete }: Progress): void {
    if (!this.#held) return;
    const now = this.#now();
    this.#recoveredAt = recovered ? (this.#recoveredAt ?? now) : undefined;
    this.#completeAt = recovered && complete ? (this.#completeAt ?? now) : undefined;
    const passed = (since: number | undefined) => since !== undefined && now - since >= SETTLE_MS;
    // What has not come back by now was taken back.
    if (passed(this.#completeAt) || now - this.#since >= this.#limitMs) {
      this.#release(() => true);
      return;
    }
    if (!passed(this.#recoveredAt)) return;
    const back = new Set(this.#routesOfBird().map(({ destination }) => destination));
    this.#release((route) => back.has(route.destination));
  }

  /** Nobody follows these routes any more: all copies go. */
  drop(): void {
    if (this.#held) this.#release(() => true);
  }

  #release(which: (route: Route) => boolean): void {
    const copies = this.#copies();
    const gone = copies.filter(which);
    for (const route of gone) this.#kernel.routes.remove(route);
    this.#held = gone.length < copies.length;
    if (gone.length > 0)
      this.#logger.info({ routes: gone.length, left: copies.length - gone.length }, "held routes are let go");
  }

  #routesOfBird(): Route[] {
    return this.#kernel.routes
      .list({ protocol: BIRD_PROTOCOL })
      .filter(
        ({ type, via, linkIndex }) => type === "unicast" && (via !== undefined || linkIndex !== undefined),
      );
  }

  #copies(): Route[] {
    return this.#kernel.routes
      .list({ protocol: ROUTE_PROTOCOL })
      .filter(({ metric }) => metric === HOLD_METRIC);
  }

  #put(route: Route): void {
    try {
      this.#kernel.routes.replace(route);
    } catch (error) {
      // Its link has just gone: nothing can be held.
      this.#logger.warn({ destination: route.destination, error: textOf(error) }, "a route cannot be held");
    }
  }
}
