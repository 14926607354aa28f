// A lab's machines as they are now: links, addresses and routes that somebody gave them or took away by hand while it ran,
// or that routers' daemons have learned, are in no lab file and in no object.
import {
  bare,
  type Ground,
  type GroundLink,
  type GroundRoute,
  type Machine,
  tunnelNetwork,
} from "../../explain/ground/ground.ts";
import { isUsuallyLabelled } from "../../explain/ground/source.ts";
import {
  type Kernel,
  type Link,
  type LinkAddress,
  MAIN_TABLE,
  type NextHop,
  POD_LINK_GROUP,
  POD_LINK_GROUP_MASK,
  ROUTE_PROTOCOL,
  type Route,
  type Rule,
} from "../../kernel/kernel.ts";
import { tunnelTypes } from "../../plan/routing/tunnels.ts";
import { foreignRules, KERNEL_PROTOCOL, machineOddities, missingRules, settingOf } from "./oddities.ts";

/** linux/rtnetlink.h: what the kernel asks before the main table, and after it. */
const LOCAL_TABLE = 255;
const DEFAULT_TABLE = 253;

/** The part of a lab's member that is looked at. */
export interface Looked {
  readonly kernel: Pick<
    Kernel,
    "addresses" | "ipsecPolicies" | "links" | "neighbours" | "rateLimits" | "routes" | "rules" | "sysctl"
  >;
  readonly plan: {
    readonly name: string;
    readonly interfaces: readonly { readonly name: string; readonly lan: { readonly name: string } }[];
  };
}

/** Returns what a lab was built as, with what its machines have by now; for `plugged` see oddities.ts. @throws `kernel.refused` */
export function groundNow(
  built: Ground,
  members: Iterable<Looked>,
  plugged: ReadonlySet<string> = new Set(),
): Ground {
  const looked = new Map([...members].map((member) => [member.plan.name, member]));
  const machines = built.machines.map((machine) => {
    const member = looked.get(machine.name.replace(/^[a-z]+\//, ""));
    return member ? machineNow(machine, member, plugged) : machine;
  });
  return { ...built, machines };
}

function machineNow(machine: Machine, { kernel, plan }: Looked, plugged: ReadonlySet<string>): Machine {
  const all = kernel.links.list();
  const links = all.filter((link) => !isPodLink(link));
  const podLinks = new Set(all.filter(isPodLink).map(({ index }) => index));
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const addresses = kernel.addresses.list();
  const networks = new Map(plan.interfaces.map(({ name, lan }) => [name, lan.name]));
  const now = links.map(({ index, name, alias, up, kind, lower }): GroundLink => {
    const tunnel = tunnelTypes.some(({ device }) => device === name) ? tunnelNetwork(name) : undefined;
    const { network: subnet, interfaceID } = interfaceOf(alias);
    const upper = isOnTop(kind) && lower !== undefined ? networks.get(names.get(lower) ?? "") : undefined;
    const network = networks.get(name) ?? tunnel ?? subnet ?? upper;
    const own = addresses.filter((one) => one.linkIndex === index && isOwn(one));
    const linkLocal = addresses
      .filter((one) => one.linkIndex === index && one.scope === "link" && one.address.includes(":"))
      .filter(({ tentative }) => !tentative)
      .map(({ address }) => address);
    const deprecated = own.filter((one) => one.deprecated).map(({ address }) => address);
    const narrow = own.filter(({ scope }) => scope !== "global").map(({ address }) => address);
    return {
      name,
      ...(network !== undefined && { network }),
      ...(interfaceID !== undefined && { interfaceID }),
      ...(!up && { down: true as const }),
      addresses: own.map(({ address }) => address),
      ...(deprecated.length > 0 && { deprecated }),
      ...(linkLocal.length > 0 && { linkLocal }),
      ...(narrow.length > 0 && { narrow }),
      ...(network === undefined && !leadsNowhere(name, kind) && { elsewhere: kind ?? "unknown" }),
    };
  });
  const local = kernel.routes.list({ table: LOCAL_TABLE });
  const networkOf = new Map(now.map(({ name = "", network }) => [name, network]));
  const proxied = kernel.neighbours.list({ proxy: true }).flatMap(({ linkIndex, address }) => {
    const network = networkOf.get(names.get(linkIndex) ?? "");
    return network === undefined ? [] : [{ network, address }];
  });
  const rules = [
    ...foreignRules(kernel.rules.list()).map((rule) => ({ family: rule.family, text: ruleText(rule) })),
    ...missingRules(kernel.rules.list()),
    ...otherTables(kernel, local),
  ];
  const odd = machineOddities(
    kernel,
    plan.interfaces.map(({ name }) => name),
    plugged,
    all.filter(isPodLink).map(({ name }) => name),
  );
  return {
    ...machine,
    ...forwarding(kernel.sysctl),
    ...(settingOf(kernel.sysctl, "net/netfilter/nf_conntrack_tcp_loose") === "0" && {
      strictTcp: true as const,
    }),
    ...(odd.length > 0 && { odd }),
    live: true,
    links: now,
    routes: kernel.routes
      .list({ table: MAIN_TABLE })
      .filter((route) => !isPodRoute(route, podLinks))
      .flatMap((route) => routeNow(route, names)),
    ...takenBy(local),
    ...(proxied.length > 0 && { proxied }),
    ...labels(kernel, names),
    ...openings(kernel, plan.interfaces, { all, podLinks }),
    bound: machine.bound ?? machine.links.flatMap((link) => link.addresses.map(bare)),
    ...(rules.length > 0 && { rules }),
  };
}

/** An address that the machine takes for its own; of IPv6, those of a link's scope mean nobody without the link's name. */
function isOwn({ address, scope, tentative }: LinkAddress): boolean {
  if (tentative) return false;
  return scope === "global" || !/:|^127\./.test(address);
}

/** How it labels addresses of IPv6, where somebody has changed that. */
function labels(
  { addresses, sysctl }: Looked["kernel"],
  names: ReadonlyMap<number, string>,
): Pick<Machine, "labels"> {
  if (settingOf(sysctl, "net/ipv6/conf/all/forwarding") === undefined) return {};
  const all = addresses.labels().map(({ range, label, linkIndex }) => ({
    range,
    label,
    ...(linkIndex !== undefined && { link: names.get(linkIndex) ?? "?" }),
  }));
  return isUsuallyLabelled(all) ? {} : { labels: all };
}

/** Such a link is one more name on the network of another (macvlan, ipvlan). */
function isOnTop(kind: string | undefined): boolean {
  return kind === "macvlan" || kind === "ipvlan";
}

/** Who sends by such a link reaches nobody. */
function leadsNowhere(name: string, kind: string | undefined): boolean {
  return name === "lo" || kind === "dummy" || kind === "ifb" || kind === "nlmon";
}

/** What is a machine's own beside its addresses, and what means everybody. */
function takenBy(local: readonly Route[]): Pick<Machine, "taken" | "broadcasts"> {
  const taken = local
    .filter(isByHand)
    .flatMap(({ type, destination }) => (type === "local" ? destination : []));
  const broadcasts = local
    .filter(({ type, destination }) => type === "broadcast" && destination.endsWith("/32"))
    .map(({ destination }) => bare(destination));
  return { ...(taken.length > 0 && { taken }), ...(broadcasts.length > 0 && { broadcasts }) };
}

/** In the kernel's own table, and not the kernel's. */
function isByHand({ protocol }: Route): boolean {
  return protocol !== KERNEL_PROTOCOL && protocol !== ROUTE_PROTOCOL;
}

/** Routes that are asked before and after those of the main table. */
function otherTables(kernel: Looked["kernel"], local: readonly Route[]): NonNullable<Machine["rules"]> {
  const before = local.filter(
    (route) => isByHand(route) && !/^(local|broadcast|anycast|multicast)$/.test(route.type),
  );
  // Of IPv6 no rule leads there.
  const after = kernel.routes.list({ table: DEFAULT_TABLE }).filter(({ family }) => family === 4);
  const text = (table: string, { destination }: Route) => `a route to ${destination} in table ${table}`;
  return [
    ...before.map((route) => ({ family: route.family, text: text("local", route) })),
    ...after.map((route) => ({ family: route.family, text: text("default", route) })),
  ];
}

/** What settings by hand make it answer for, and with. */
function openings(
  { sysctl, routes }: Looked["kernel"],
  interfaces: Looked["plan"]["interfaces"],
  { all, podLinks }: { readonly all: readonly Link[]; readonly podLinks: ReadonlySet<number> },
): Pick<Machine, "localnet" | "proxies"> {
  const isSet = (link: string, key: string) =>
    ["all", link].some((place) => (settingOf(sysctl, `net/ipv4/conf/${place}/${key}`) ?? "0") !== "0");
  const open = new Set(all.filter(({ name }) => isSet(name, "route_localnet")).map(({ index }) => index));
  const pods = routes
    .list({ table: MAIN_TABLE })
    .filter((route) => isPodRoute(route, podLinks) && open.has(route.linkIndex ?? 0))
    .map(({ destination }) => bare(destination));
  const localnet = [
    ...all.filter(({ index }) => open.has(index) && !podLinks.has(index)).map(({ name }) => name),
    ...pods,
  ];
  const proxies = interfaces.filter(({ name }) => isSet(name, "proxy_arp")).map(({ lan }) => lan.name);
  return { ...(localnet.length > 0 && { localnet }), ...(proxies.length > 0 && { proxies }) };
}

/** Whether it passes packets on may have been changed by hand. */
function forwarding(sysctl: Kernel["sysctl"]): Partial<Pick<Machine, "forwards" | "forwards6">> {
  const four = settingOf(sysctl, "net/ipv4/ip_forward");
  const six = settingOf(sysctl, "net/ipv6/conf/all/forwarding");
  return {
    ...(four !== undefined && { forwards: four !== "0" }),
    ...(six !== undefined && { forwards6: six !== "0" }),
  };
}

/** What the lab's provider attaches says by its alias where it stands. */
function interfaceOf(alias: string | undefined) {
  const [, network, interfaceID] = /^network (\S+) \((\S+)\)$/.exec(alias ?? "") ?? [];
  return { network, interfaceID };
}

/** Links to pods come and go, and plans know where pods are. */
function isPodLink({ group }: Link): boolean {
  return (group & POD_LINK_GROUP_MASK) === (POD_LINK_GROUP & POD_LINK_GROUP_MASK);
}

/** The agent's route to a single pod. Those to whole ranges are looked at like all others: they are BIRD's, or on their way. */
function isPodRoute({ protocol, linkIndex }: Route, podLinks: ReadonlySet<number>): boolean {
  return protocol === ROUTE_PROTOCOL && linkIndex !== undefined && podLinks.has(linkIndex);
}

function routeNow(route: Route, names: ReadonlyMap<number, string>): GroundRoute[] {
  const { destination, via, linkIndex, source, metric, type } = route;
  const link = linkIndex === undefined ? undefined : names.get(linkIndex);
  if (route.nextHops) return severalWays(route, route.nextHops, names);
  if (/^(fe80|ff00)::/.test(destination)) return [];
  if (type === "multicast") return [];
  return [
    {
      to: destination,
      ...(via !== undefined && { via }),
      ...(link !== undefined && { link }),
      ...(source !== undefined && { source }),
      ...(metric !== undefined && { metric }),
      ...(type === "unicast" && link === undefined && { type: "several" as const }),
      ...((type === "blackhole" || type === "local") && { type }),
      ...oddOf(route),
      ...((type === "unreachable" || type === "prohibit") && { type: "unreachable" as const }),
    },
  ];
}

/** Of several next hops those that live count; a route without any is none. */
function severalWays(route: Route, nextHops: readonly NextHop[], names: ReadonlyMap<number, string>) {
  const [first, ...rest] = nextHops.map(({ via, linkIndex }) => {
    const link = linkIndex === undefined ? undefined : names.get(linkIndex);
    return { ...(via !== undefined && { via }), ...(link !== undefined && { link }) };
  });
  if (!first) return [];
  const { destination: to, source, metric } = route;
  const isKnown = [first, ...rest].every(({ link }) => link !== undefined);
  return [
    {
      to,
      ...first,
      ...(source !== undefined && { source }),
      ...(metric !== undefined && { metric }),
      ...(rest.length > 0 && { others: rest }),
      ...(!isKnown && { type: "several" as const }),
      ...oddOf(route),
    },
  ];
}

/** What else a route says, or that it sends packets on to the next rule. */
function oddOf({ type, beyond = [] }: Route): Pick<GroundRoute, "odd"> {
  const words = type === "throw" ? ["throw", ...beyond] : beyond;
  return words.length === 0 ? {} : { odd: words.join(", ") };
}

function ruleText({ priority, from, to, incoming, mark, table, other }: Rule) {
  const words = [
    from === undefined ? "from all" : `from ${from}`,
    ...(to === undefined ? [] : [`to ${to}`]),
    ...(incoming === undefined ? [] : [`iif ${incoming}`]),
    ...(mark === undefined ? [] : [`fwmark 0x${mark.value.toString(16)}/0x${mark.mask.toString(16)}`]),
  ];
  return `${priority}: ${words.join(" ")} ${other ? "refused, or led elsewhere" : `lookup ${table}`}`;
}
