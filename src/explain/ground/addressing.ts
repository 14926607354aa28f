// What rules may ask about addresses on one machine: whether they are its own or everybody's, and whether there is a way back.
import { parseIp } from "../../base/ip.ts";
import type { HookPacket, Maybe } from "../../plan/foreign/index.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import type { Atlas } from "./atlas.ts";
import { type Machine, podLink } from "./ground.ts";
import { isLinkLocal6 } from "./own-addresses.ts";
import { cidrOfText, isBroadcastIn, type KnownRoute } from "./routes-of.ts";

/** Returns what hooks of a machine know of addresses. */
export function addressing(
  atlas: Atlas,
  machine: Machine,
): Pick<HookPacket, "isLocal" | "isBroadcast" | "hasWayBack"> {
  return {
    isLocal: (address) => atlas.isLocal(machine, address),
    isBroadcast: (address) => isBroadcastOf(machine, address),
    hasWayBack: (packet) => hasWayBack(atlas, machine, packet),
  };
}

function isBroadcastOf({ broadcasts, links }: Machine, address: string): boolean {
  if (broadcasts) return broadcasts.includes(address);
  const ip = parseIp(address);
  return links.some(({ addresses }) => addresses.some((text) => isBroadcastIn(cidrOfText(text), ip)));
}

/**
 * Whether the machine sends what is for a packet's source by the link that it came by (nft_fib, xt_rpfilter). Of several ways
 * any will do for IPv4; of IPv6, and of routes to one range, the two do not agree.
 */
function hasWayBack(atlas: Atlas, machine: Machine, { family, source, in: by, mark }: HookPacket): Maybe {
  if (by === "lo") return true;
  const isKnown = by !== undefined && by !== "" && source.first === source.last;
  if (!isKnown || mark !== 0 || machine.rules?.some((rule) => rule.family === family) === true)
    return "perhaps";
  const address = rangeName(source);
  if (
    isLinkLocal6({ family, value: source.first }) &&
    machine.links.some(({ name, linkLocal }) => name === by && linkLocal)
  )
    return true;
  if (by === podLink.name) return atlas.hasPod(machine, address) ? true : "perhaps";
  if (atlas.hasPod(machine, address) || atlas.isLocal(machine, address)) return "perhaps";
  // What pods of subnets send goes by rules of our own.
  if (machine.links.some(({ interfaceID }) => interfaceID !== undefined)) return "perhaps";
  const routes = atlas.routesTo(machine, address);
  const [best] = routes;
  if (!best) return false;
  if (family === 4) return leadsBy(best, by).includes(true) ? true : (leadsBy(best, by)[0] ?? "perhaps");
  const alike = routes.filter(({ range }) => range.length === best.range.length);
  const said = new Set(alike.flatMap((route) => leadsBy(route, by)));
  return said.size === 1 ? [...said][0]! : "perhaps";
}

/** Returns for each of a route's ways whether it is by a link. */
function leadsBy({ to, others = [], odd }: KnownRoute, by: string): readonly Maybe[] {
  if (odd !== undefined || to === "several" || to === "local") return ["perhaps"];
  if (to === "blackhole" || to === "unreachable") return [false];
  return [to, ...others].map(({ link }) => (link.name === undefined ? "perhaps" : link.name === by));
}
