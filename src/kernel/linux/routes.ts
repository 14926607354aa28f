import { TrunklineError } from "../../base/errors.ts";
import { Errno, errnoName } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import { MAIN_TABLE, type Route, type RouteFilter, type Routes } from "../kernel.ts";
import {
  RouteMessage,
  readRoute,
  writeRouteLookup,
  writeRouteQuery,
  writeRouteRemoval,
} from "../netlink/route.ts";
import { newRoute, routeText } from "./changes.ts";
import type { Context } from "./context.ts";

export class LinuxRoutes implements Routes {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  list(filter: RouteFilter = {}): Route[] {
    const wanted = { ...filter, table: filter.table ?? MAIN_TABLE };
    const families = filter.family === undefined ? ([4, 6] as const) : [filter.family];
    return families.flatMap((family) => this.#dump(family, wanted));
  }

  #dump(family: 4 | 6, filter: RouteFilter): Route[] {
    const attempt = (): string => "list routes";
    const found: Route[] = [];
    const { errno, text } = this.#context.route(attempt).dump(
      RouteMessage.get,
      (writer) => writeRouteQuery(writer, family, filter),
      attempt,
      (message) => {
        const route = readRoute(message);
        // The kernel's IPv6 filter lets some other protocols through (clones), so it is checked again.
        const fits = filter.protocol === undefined || route?.protocol === filter.protocol;
        // A kernel without IPv6 answers with those of all families.
        if (route && fits && route.table === filter.table && route.family === family) found.push(route);
      },
      () => found.splice(0),
    );
    // A table that nothing was ever put into does not exist; IPv6 may be off.
    if (errno === Errno.ENOENT || errno === Errno.EAFNOSUPPORT) return [];
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  add(route: Route): void {
    this.#context.ask(newRoute(route, "add"));
  }

  replace(route: Route): void {
    this.#context.ask(newRoute(route, "replace"));
  }

  remove(route: Route): void {
    const attempt = (): string => `remove route ${routeText(route)}`;
    const { errno, text } = this.#context
      .route(attempt)
      .tryRequest(RouteMessage.delete, 0, (writer) => writeRouteRemoval(writer, route), attempt);
    // Gone already, or gone with its link.
    if (errno === 0 || errno === Errno.ESRCH || errno === Errno.ENODEV || errno === Errno.ENOENT) return;
    throw refusal(attempt(), errno, text);
  }

  lookup(query: { to: string; from?: string; incoming?: number; mark?: number }): Route {
    const attempt = (): string => `find a route to ${query.to}${query.from ? ` from ${query.from}` : ""}`;
    let found: Route | undefined;
    const { errno, text } = this.#context.route(attempt).tryRequest(
      RouteMessage.get,
      0,
      (writer) => writeRouteLookup(writer, query),
      attempt,
      (message) => {
        found = readRoute(message);
      },
    );
    // Whatever the errno (EACCES of a prohibit route, EINVAL of a blackhole), it is what the packet's sender would see.
    if (found && errno === 0) return found;
    throw new TrunklineError("kernel.refused", { attempt: attempt(), errno: errnoName(errno), text });
  }
}
