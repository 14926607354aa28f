// What of a router cannot work, although every key of it is well-formed.
import { cidrContains, type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import type { Fault } from "./fault.ts";
import type { LabFile, LabNetwork } from "./lab-file.ts";
import type { LabRouter } from "./router.ts";

/** FRR's shortest RIP timers, in seconds. */
const FRR_SHORTEST = 5;
const SPOKEN = ["as", "peers", "announce", "rip"] as const;

/** Returns the faults of a lab file's routers. */
export function routerFaults(lab: LabFile): Fault[] {
  return lab.routers.flatMap((router, at) =>
    [
      ...routeFaults(router, lab),
      ...keyFaults(router),
      ...protocolFaults(router),
      ...ripFaults(router, lab),
      ...peerFaults(router),
    ].map(({ path, ...rest }) => ({ ...rest, path: ["routers", at, ...path] })),
  );
}

/** Returns the networks that somebody with these addresses stands on. */
export function networksOf(addresses: readonly string[], lab: LabFile): LabNetwork[] {
  const own = addresses.map(parseIp);
  return lab.networks.filter((network) =>
    network.cidrs.map(parseCidr).some((range) => own.some((ip) => cidrContains(range, ip))),
  );
}

function routeFaults({ addresses, routes }: LabRouter, lab: LabFile): Fault[] {
  const own = addresses.map(parseIp);
  const near = lab.networks
    .flatMap((network) => network.cidrs.map(parseCidr))
    .filter((range) => own.some((ip) => cidrContains(range, ip)));
  const reached = (via: Ip): boolean => near.some((range) => cidrContains(range, via));
  return routes.flatMap(({ via }, index) =>
    reached(parseIp(via))
      ? []
      : [fault(["routes", index, "via"], "lab.no-network", `${via} lies in none of this router's networks`)],
  );
}

function keyFaults(router: LabRouter): Fault[] {
  const { type, config } = router;
  const given = SPOKEN.filter((key) =>
    key === "peers" ? router.peers.length > 0 : router[key] !== undefined,
  );
  if (type === "static") {
    return [...(config === undefined ? [] : (["config"] as const)), ...given].map((key) =>
      fault([key], "lab.router-key", `only a router of type bird or frr has '${key}'`),
    );
  }
  if (config === undefined) return [];
  return given.map((key) =>
    fault([key], "lab.router-key", `'config' is the daemon's whole configuration: it excludes '${key}'`),
  );
}

function protocolFaults({ type, config, as, peers, announce, rip, addresses }: LabRouter): Fault[] {
  if (type === "static" || config !== undefined) return [];
  const faults: Fault[] = [];
  if (as === undefined && peers.length > 0)
    faults.push(fault(["peers"], "lab.router-key", "a router with peers needs 'as'"));
  if (as === undefined && rip === undefined && announce !== undefined)
    faults.push(fault(["announce"], "lab.router-key", "nothing is announced without 'as' or 'rip'"));
  // Also a daemon that only hears RIP has a router id: FRR's zebra finds one by itself, BIRD wants to be told.
  if (!addresses.some((text) => !text.includes(":")))
    faults.push(fault(["addresses"], "lab.router-id", "needs an IPv4 address, which is its router id"));
  return faults;
}

function ripFaults({ type, rip, addresses }: LabRouter, lab: LabFile): Fault[] {
  if (!rip) return [];
  const near = new Set(networksOf(addresses, lab).map(({ name }) => name));
  const unknown = rip.networks.flatMap((name, index) =>
    near.has(name)
      ? []
      : [fault(["rip", "networks", index], "lab.no-network", `this router is not on network '${name}'`)],
  );
  if (type !== "frr") return unknown;
  const short = (["update", "timeout", "garbage"] as const).filter((key) => rip[key] < FRR_SHORTEST);
  return [
    ...unknown,
    ...short.map((key) => fault(["rip", key], "lab.rip-timer", `FRR takes nothing below ${FRR_SHORTEST}s`)),
  ];
}

function peerFaults({ peers }: LabRouter): Fault[] {
  const seen = new Set<string>();
  return peers.flatMap(({ address, range, nodes }, index) => {
    const who = address ?? range ?? String(nodes);
    if (seen.has(who)) return [fault(["peers", index], "lab.peer-twice", "this peer is given twice")];
    seen.add(who);
    return [];
  });
}

function fault(path: Fault["path"], code: string, message: string): Fault {
  return { path, code, message };
}
