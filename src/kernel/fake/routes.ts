import { TrunklineError } from "../../base/errors.ts";
import { cidrContains, formatIp, type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import { Errno, errnoName } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import { MAIN_TABLE, type Route, type RouteFilter, type Routes, type Rule } from "../kernel.ts";
import { networkText } from "../netlink/bytes.ts";
import { defaultMetric, defaultScope, hasNextHop, routeKey } from "../route.ts";
import type { FakeContext } from "./context.ts";
import type { Namespace } from "./namespace.ts";

export class FakeRoutes implements Routes {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(filter: RouteFilter = {}): Route[] {
    const { family, protocol, table = MAIN_TABLE } = filter;
    return this.#context
      .namespace("list routes")
      .routes.filter(
        (route) =>
          route.table === table &&
          (family === undefined || route.family === family) &&
          (protocol === undefined || route.protocol === protocol),
      );
  }

  add(route: Route): void {
    const attempt = `add route ${route.destination}`;
    const home = this.#context.change("routes.add", attempt);
    const checked = check(home, route, attempt);
    const key = routeKey(checked);
    if (home.routes.some((one) => one.family === route.family && routeKey(one) === key)) {
      throw refusal(attempt, Errno.EEXIST);
    }
    insert(home, checked);
  }

  replace(route: Route): void {
    const attempt = `replace route ${route.destination}`;
    const home = this.#context.change("routes.replace", attempt);
    const checked = check(home, route, attempt);
    const key = routeKey(checked);
    // Without a "gone" event: the kernel tells of a replacement by its "new" only.
    const at = home.routes.findIndex((one) => one.family === route.family && routeKey(one) === key);
    if (at >= 0) home.routes.splice(at, 1);
    insert(home, checked);
  }

  remove(route: Route): void {
    const attempt = `remove route ${route.destination}`;
    const home = this.#context.change("routes.remove", attempt);
    const destination = networkText(route.destination);
    const at = home.routes.findIndex(
      (one) =>
        one.family === route.family &&
        one.table === route.table &&
        one.destination === destination &&
        one.type === route.type &&
        one.protocol === route.protocol &&
        fits(route.metric, one.metric ?? defaultMetric(one.family)) &&
        fits(route.via, one.via) &&
        fits(route.linkIndex, one.linkIndex) &&
        fits(route.source, one.source) &&
        fits(route.scope, one.scope),
    );
    if (at < 0) return;
    const [gone] = home.routes.splice(at, 1);
    if (gone) home.tell("route", { kind: "route", change: "gone", route: gone });
  }

  lookup(query: { to: string; from?: string; incoming?: number; mark?: number }): Route {
    const attempt = `find a route to ${query.to}`;
    const home = this.#context.namespace(attempt);
    const to = parseIp(query.to);
    const rules = home.rules
      .filter((rule) => rule.family === to.family && ruleFits(home, rule, to, query))
      .toSorted((a, b) => a.priority - b.priority);
    for (const rule of rules) {
      const found = longest(home.routes, rule.table, to);
      const length = Number(found?.destination.split("/")[1]);
      if (rule.suppressPrefixLength !== undefined && length <= rule.suppressPrefixLength) continue;
      if (found) return answer(home, found, to, attempt);
    }
    throw unreachable(attempt, Errno.ENETUNREACH);
  }
}

function fits<T>(wanted: T | undefined, has: T | undefined): boolean {
  return wanted === undefined || wanted === has;
}

function insert(home: Namespace, route: Route): void {
  home.routes.push(route);
  home.tell("route", { kind: "route", change: "new", route });
}

/** Returns the route as the kernel would list it. @throws what the kernel's own checks would */
function check(home: Namespace, route: Route, attempt: string): Route {
  const destination = parseCidr(route.destination);
  if (destination.family !== route.family) throw refusal(attempt, Errno.EINVAL, "Invalid address family");
  const { metric, onlink, via, linkIndex, ...rest } = route;
  const listed: Route = {
    ...rest,
    destination: networkText(route.destination),
    scope: route.scope ?? defaultScope(route),
    ...(metric !== undefined && metric !== defaultMetric(route.family) && { metric }),
  };
  if (!hasNextHop(route.type)) return listed;
  const device = linkIndex ?? (via === undefined ? undefined : neighbourhood(home, parseIp(via))?.linkIndex);
  if (device === undefined) throw refusal(attempt, via === undefined ? Errno.ENODEV : Errno.ENETUNREACH);
  const link = home.links.get(device);
  if (!link) throw refusal(attempt, Errno.ENODEV);
  if (!link.facts.up) throw refusal(attempt, Errno.ENETDOWN, "Device for nexthop is not up");
  if (via !== undefined && !onlink) checkGateway(home, parseIp(via), device, attempt);
  if (route.source !== undefined && !isOwn(home, route.source)) {
    throw refusal(attempt, Errno.EINVAL, "Invalid prefsrc address");
  }
  return {
    ...listed,
    linkIndex: device,
    ...(via !== undefined && { via: formatIp(parseIp(via)) }),
    ...(onlink && via !== undefined && { onlink }),
  };
}

/** A next hop must be on the link, by a route that itself has no next hop. */
function checkGateway(home: Namespace, gateway: Ip, device: number, attempt: string): void {
  if (isOwn(home, formatIp(gateway))) throw refusal(attempt, Errno.EINVAL, "Nexthop has invalid gateway");
  if (formatIp(gateway).startsWith("fe80:")) return;
  const near = neighbourhood(home, gateway);
  if (near?.linkIndex === device) return;
  const errno = gateway.family === 4 ? Errno.ENETUNREACH : Errno.EHOSTUNREACH;
  throw refusal(attempt, errno, "Nexthop has invalid gateway");
}

function neighbourhood(home: Namespace, gateway: Ip): Route | undefined {
  const found = longest(home.routes, MAIN_TABLE, gateway);
  return found?.via === undefined ? found : undefined;
}

function isOwn(home: Namespace, address: string): boolean {
  return home.addresses.some((one) => one.address.startsWith(`${address}/`));
}

/** Longest prefix first, then the smallest metric. */
function longest(routes: readonly Route[], table: number, to: Ip): Route | undefined {
  let best: { route: Route; length: number; metric: number } | undefined;
  for (const route of routes) {
    if (route.table !== table || route.family !== to.family) continue;
    const cidr = parseCidr(route.destination);
    if (!cidrContains(cidr, to)) continue;
    const metric = route.metric ?? defaultMetric(route.family);
    const better =
      !best || cidr.length > best.length || (cidr.length === best.length && metric < best.metric);
    if (better) best = { route, length: cidr.length, metric };
  }
  return best?.route;
}

function ruleFits(
  home: Namespace,
  rule: Rule,
  to: Ip,
  query: { from?: string; incoming?: number; mark?: number },
): boolean {
  if (rule.to !== undefined && !cidrContains(parseCidr(rule.to), to)) return false;
  if (rule.from !== undefined) {
    if (query.from === undefined || !cidrContains(parseCidr(rule.from), parseIp(query.from))) return false;
  }
  if (rule.incoming !== undefined) {
    const link = query.incoming === undefined ? undefined : home.links.get(query.incoming);
    if (link?.facts.name !== rule.incoming) return false;
  }
  return rule.mark === undefined || ((query.mark ?? 0) & rule.mark.mask) === rule.mark.value;
}

const refusals = {
  blackhole: Errno.EINVAL,
  unreachable: Errno.EHOSTUNREACH,
  prohibit: Errno.EACCES,
} as const;

function answer(home: Namespace, route: Route, to: Ip, attempt: string): Route {
  const { type } = route;
  if (type === "blackhole" || type === "unreachable" || type === "prohibit")
    throw unreachable(attempt, refusals[type]);
  const own = home.addresses.find(
    (one) => one.linkIndex === route.linkIndex && one.address.includes(":") === (to.family === 6),
  );
  const source = route.source ?? own?.address.slice(0, own.address.indexOf("/"));
  const destination = `${formatIp(to)}/${to.family === 4 ? 32 : 128}`;
  return { ...route, destination, ...(source !== undefined && { source }) };
}

function unreachable(attempt: string, errno: number): TrunklineError {
  return new TrunklineError("kernel.refused", { attempt, errno: errnoName(errno), text: undefined });
}
