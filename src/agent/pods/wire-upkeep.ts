// Upkeep of wires: what others changed of them is put right; what does not go with a link is taken away.
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import {
  type Kernel,
  type Link,
  type LinkSettings,
  type Machine,
  POD_LINK_GROUP,
  POD_LINK_GROUP_MASK,
  ROUTE_PROTOCOL,
  type Route,
} from "../../kernel/kernel.ts";
import { type Endpoint, factsOf, isHostInterface } from "./endpoint.ts";
import { familiesOf, ownRules } from "./pod-routes.ts";
import { mendWire } from "./wire-mend.ts";
import { mainFamilies } from "./wire-result.ts";

/** How much was put right. */
export interface Repairs {
  readonly routes: number;
  readonly settings: number;
}

/**
 * Puts right the wires of endpoints whose ADD was answered.
 * @param which indexes of host ends; of all of them links, settings and routes are read in one go each
 * @param absent told of endpoints whose host end is not there, where all were looked at
 */
export function repairWires(
  kernel: Kernel,
  all: Iterable<Endpoint>,
  which: ReadonlySet<number> | "all",
  absent: (endpoint: Endpoint) => void,
  logger: Logger,
): Repairs {
  const repairs = { routes: 0, settings: 0 };
  const links: (Link & { readonly settings?: LinkSettings })[] =
    which === "all"
      ? kernel.links.listWithSettings()
      : [...which].flatMap((index) => kernel.links.get(index) ?? []);
  const endpoints = [...all].filter(({ phase }) => phase === "ready");
  const living = new Set(endpoints.map(({ hostInterface }) => hostInterface));
  for (const link of links) repairs.settings += regroup(kernel, link, living, logger);
  const byName = new Map(links.map((link) => [link.name, link]));
  if (byName.size === 0) return repairs;
  const present = new Set(kernel.routes.list({ protocol: ROUTE_PROTOCOL }).map(routeKey));
  for (const endpoint of endpoints) {
    const link = byName.get(endpoint.hostInterface);
    if (link === undefined) {
      if (which === "all") absent(endpoint);
      continue;
    }
    try {
      const { settings, routes } = mendWire(kernel, endpoint, link, (route) => present.has(routeKey(route)));
      const facts = factsOf(endpoint);
      if (settings.length > 0) logger.warn({ ...facts, settings }, "a pod's interface was put right");
      if (routes.length > 0) logger.warn({ ...facts, routes }, "routes to a pod were missing");
      repairs.settings += settings.length;
      repairs.routes += routes.length;
    } catch (error) {
      // Gone between looking and writing: its event, or the timer, brings us here again. The others come first.
      logger.warn({ ...factsOf(endpoint), error: textOf(error) }, "a pod's interface could not be put right");
    }
  }
  return repairs;
}

function routeKey({ destination, linkIndex }: Pick<Route, "destination" | "linkIndex">): string {
  return `${destination} ${linkIndex}`;
}

/**
 * The rules know pods' links by their group: one that lost it, or had none from an earlier version, gets it; also one
 * that no endpoint knows, so that it passes nothing. One that is in another group of ours is about to go with that, and would
 * be left if it were taken out of it.
 */
function regroup(kernel: Kernel, link: Link, living: ReadonlySet<string>, logger: Logger): number {
  const isOurs = (link.group & POD_LINK_GROUP_MASK) === POD_LINK_GROUP;
  if (link.group === POD_LINK_GROUP || (isOurs && !living.has(link.name)) || !isHostInterface(link)) return 0;
  logger.warn({ interface: link.name, group: link.group }, "a pod's interface was not in the group of such");
  try {
    kernel.links.change(link.index, { group: POD_LINK_GROUP });
    return 1;
  } catch (error) {
    // As with what else is put right: gone since it was looked at, most likely.
    logger.warn({ interface: link.name, error: textOf(error) }, "a pod's interface could not be put right");
    return 0;
  }
}

/** Takes away the rules that a pod's further interface has in its pod: they do not go with the link. */
export function takeRules(machine: Machine, endpoint: Endpoint, logger: Logger): void {
  const { ips, netns, netnsId, result } = endpoint;
  const main = mainFamilies(result ?? { cniVersion: "" });
  if (netns === "" || [...familiesOf(ips)].every((family) => main.has(family))) return;
  try {
    if (machine.identityOf({ path: netns }) !== netnsId) return;
    const pod = machine.open({ path: netns });
    try {
      for (const rule of ownRules(pod, ips)) pod.rules.remove(rule);
    } finally {
      pod.close();
    }
  } catch (error) {
    // They lead to a table that goes with the link, and so nowhere.
    if (!isError(error, "kernel.no-netns"))
      logger.warn({ ...factsOf(endpoint), error: textOf(error) }, "a pod's rules were not removed");
  }
}

/**
 * Returns whether the namespace that the endpoint was made in is gone, or something else has its path. Where its path is not
 * known, nothing but its wire can tell.
 */
export function netnsIsGone(machine: Machine, endpoint: Endpoint): boolean {
  if (endpoint.netns === "") return true;
  try {
    return machine.identityOf({ path: endpoint.netns }) !== endpoint.netnsId;
  } catch (error) {
    // Whatever else keeps it from being opened (too many open files, most likely) says nothing about it.
    return isError(error, "kernel.no-netns") && goneErrors.has(error.data.errno);
  }
}

const goneErrors: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EINVAL"]);
