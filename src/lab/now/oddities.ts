// What somebody has put into a namespace by hand, or a container with the right to (a service mesh's init container), that
// answers do not follow: what they cannot follow they must name.
import type { Oddity } from "../../explain/ground/ground.ts";
import { legacyTables } from "../../kernel/foreign-nat.ts";
import type { Kernel, Neighbour, NetnsRef, Rule } from "../../kernel/kernel.ts";
import { MAIN_TABLE, ROUTE_PROTOCOL } from "../../kernel/kernel.ts";

/** rtnetlink(7): what the kernel adds by itself. */
export const KERNEL_PROTOCOL = 2;
/** Every namespace has these, by priority: they lead to the tables local, main and default. */
const USUAL_RULES: ReadonlyMap<number, number> = new Map([
  [0, 255],
  [32766, 254],
  [32767, 253],
]);
const families = [4, 6] as const;

/** Returns the routing rules that somebody else has added. */
export function foreignRules(rules: readonly Rule[]): Rule[] {
  return rules.filter((rule) => rule.protocol !== ROUTE_PROTOCOL && !isUsual(rule));
}

function isUsual({ priority, table, from, to, incoming, mark, suppressPrefixLength, other }: Rule): boolean {
  const asks = [from, to, incoming, mark, suppressPrefixLength, other].some((one) => one !== undefined);
  return !asks && USUAL_RULES.get(priority) === table;
}

/** Returns the kernel's own rules that somebody has taken away: those that lead to the tables local and main. */
export function missingRules(rules: readonly Rule[]): { readonly family: 4 | 6; readonly text: string }[] {
  return families.flatMap((family) => {
    const own = rules.filter((rule) => rule.family === family && isUsual(rule));
    // Without IPv6 there are none of it.
    if (family === 6 && !rules.some((rule) => rule.family === 6)) return [];
    const gone = [0, 32766].filter((priority) => !own.some((rule) => rule.priority === priority));
    return gone.map((priority) => ({ family, text: `its rule ${priority} is gone` }));
  });
}

export interface PodPlace {
  readonly kernel: Pick<
    Kernel,
    | "addresses"
    | "ipsecPolicies"
    | "links"
    | "neighbours"
    | "nft"
    | "rateLimits"
    | "routes"
    | "rules"
    | "sysctl"
  >;
  readonly netns: NetnsRef;
  readonly ips: readonly string[];
  /** Gateways by address, with the hardware address that the pod was told. */
  readonly gateways: ReadonlyMap<string, string>;
}

/** Returns what a pod's own namespace holds beside what its wire consists of. @throws `kernel.nft`, `kernel.refused` */
export async function podOddities(place: PodPlace): Promise<Oddity[]> {
  const { kernel, netns } = place;
  const chains = (await kernel.nft.list("list chains")) ?? [];
  const tables = new Set(
    chains.flatMap((object) => {
      const chain = object["chain"] as Record<string, unknown> | undefined;
      return chain?.["hook"] === undefined
        ? []
        : [`packet rules: table ${chain["family"]} ${chain["table"]}`];
    }),
  );
  const legacy = families.flatMap((family) => legacyTables(netns, family).filter((name) => name !== ""));
  const rules = [
    ...tables,
    ...(legacy.length > 0 ? [`packet rules: iptables-legacy ${legacy.join(", ")}`] : []),
  ];
  return [
    ...rules.map((what) => ({ what })),
    ...wireOddities(place),
    ...passageOddities(kernel, ["eth0", "lo"]),
    ...echoOddities(kernel),
  ];
}

/** Links, addresses, routes, rules and neighbours of a pod that its wire does not account for, or that it lacks. */
export function wireOddities({ kernel, ips, gateways }: PodPlace): Oddity[] {
  const links = kernel.links.list();
  const name = (index: number | undefined) => links.find((link) => link.index === index)?.name ?? "?";
  const addresses = kernel.addresses.list().filter(({ scope }) => scope === "global");
  const own = new Set(ips);
  const held = new Set(addresses.map(({ address }) => address.split("/")[0] ?? ""));
  const routes = kernel.routes.list({ table: MAIN_TABLE });
  const isOdd = ({ type, protocol, destination }: (typeof routes)[number]) =>
    type !== "multicast" &&
    protocol !== ROUTE_PROTOCOL &&
    protocol !== KERNEL_PROTOCOL &&
    !/^(fe80|ff00)::/.test(destination);
  const ways = new Set(
    routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL).map((route) => route.destination),
  );
  const wanted = ips.map((ip) => (ip.includes(":") ? "::/0" : "0.0.0.0/0"));
  return [
    ...links
      .filter(({ up, name: one }) => !up && (one === "lo" || one === "eth0"))
      .map((link) => `link ${link.name} is down`),
    ...[...own].filter((ip) => !held.has(ip)).map((ip) => `it has lost its address ${ip}`),
    ...[...held].filter((ip) => !own.has(ip) && ip !== "::1").map((ip) => `address ${ip} of its own`),
    ...[...new Set(wanted)].filter((to) => !ways.has(to)).map((to) => `it has lost its route ${to}`),
    ...routes
      .filter(isOdd)
      .map(
        ({ destination, linkIndex }) =>
          `route ${destination}${linkIndex === undefined ? "" : ` by ${name(linkIndex)}`}`,
      ),
    ...foreignRules(kernel.rules.list()).map(({ priority }) => `routing rule ${priority}`),
    ...missingRules(kernel.rules.list()).map(({ text }) => `routing: ${text}`),
    ...kernel.neighbours
      .list()
      .filter((one) => isFixed(one) && gateways.get(one.address) !== one.mac)
      .map(({ address, linkIndex }) => `a fixed neighbour ${address} on ${name(linkIndex)}`),
  ].map((what) => ({ what }));
}

/** Returns what keeps a machine or pod from answering echoes. */
function echoOddities({ sysctl }: Pick<Kernel, "sysctl">): Oddity[] {
  return ["net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all"]
    .filter((key) => settingOf(sysctl, key) === "1")
    .map((key) => ({ what: `${key} is 1`, echo: true }));
}

/**
 * Returns what a machine's own interfaces have that answers do not follow.
 * @param plugged neighbours that the lab's cloud has told its router of (`ADDRESS MAC`): they are as asking would find them
 * @param podLinks a node's links to its pods, of which less is looked at: agents see to the rest
 */
export function machineOddities(
  kernel: Pick<Kernel, "addresses" | "ipsecPolicies" | "links" | "neighbours" | "rateLimits" | "sysctl">,
  interfaces: readonly string[],
  plugged: ReadonlySet<string> = new Set(),
  podLinks: readonly string[] = [],
): Oddity[] {
  const known = new Map(kernel.links.list().map(({ index, name }) => [index, name]));
  const own = new Set(interfaces);
  const near = new Set([...interfaces, ...podLinks]);
  // A link without an address has no way back to anybody, so that the loose filter takes nothing either.
  const addressed = new Set(
    kernel.addresses
      .list()
      .filter(({ address }) => !address.includes(":"))
      .map(({ linkIndex }) => known.get(linkIndex)),
  );
  const forwards = settingOf(kernel.sysctl, "net/ipv4/ip_forward");
  const conf = (name: string, key: string) => settingOf(kernel.sysctl, `net/ipv4/conf/${name}/${key}`);
  // The larger one counts.
  const filter = (name: string) =>
    Math.max(...["all", name].map((place) => Number(conf(place, "rp_filter") ?? 0)));
  const strict = interfaces.filter((name) => filter(name) === 1);
  const loose = interfaces.filter((name) => filter(name) === 2 && !addressed.has(name));
  return [
    // What comes in by a link is passed on by the link's own setting, which the machine's only presets.
    ...interfaces
      .filter((name) => (conf(name, "forwarding") ?? forwards) !== forwards)
      .map((name) => ({
        what: `forwarding of ${name} is ${conf(name, "forwarding")}, and that of the machine is not`,
      })),
    ...["arp_ignore", "arp_filter", "accept_local"].flatMap((key) =>
      ["all", ...interfaces]
        .filter((name) => (conf(name, key) ?? "0") !== "0")
        .map((name) => ({ what: `${key} of ${name} is ${conf(name, key)}` })),
    ),
    ...redirectable(kernel, interfaces),
    ...["all", ...interfaces]
      .filter((name) => settingOf(kernel.sysctl, `net/ipv6/conf/${name}/use_oif_addrs_only`) === "1")
      .map((name) => ({ what: `use_oif_addrs_only of ${name} is 1` })),
    ...passageOddities(kernel, [...near]),
    ...kernel.links
      .list()
      .filter(({ name, master }) => own.has(name) && master !== undefined)
      .map(({ name, master }) => ({ what: `${name} is a part of ${known.get(master!) ?? "another link"}` })),
    ...kernel.neighbours
      .list()
      .filter((one) => isFixed(one) && near.has(known.get(one.linkIndex) ?? ""))
      .filter(({ address, mac }) => !plugged.has(`${address} ${mac}`))
      .map(({ address, linkIndex }) => ({ what: `a fixed neighbour ${address} on ${known.get(linkIndex)}` })),
    ...strict.map((name) => ({ what: `rp_filter of ${name} is strict` })),
    ...loose.map((name) => ({ what: `rp_filter of ${name} is loose, and the link has no address` })),
    ...echoOddities(kernel),
  ];
}

/** Who passes nothing on may follow what routers tell of shorter ways: where its packets go hangs on what it was told. */
function redirectable({ sysctl }: Pick<Kernel, "sysctl">, interfaces: readonly string[]): Oddity[] {
  const ipv4 = settingOf(sysctl, "net/ipv4/ip_forward") === "0" ? ["all", ...interfaces] : [];
  const ipv6 = settingOf(sysctl, "net/ipv6/conf/all/forwarding") === "0" ? interfaces : [];
  return [
    ...ipv4.map((name) => `net/ipv4/conf/${name}/accept_redirects`),
    ...ipv6.map((name) => `net/ipv6/conf/${name}/accept_redirects`),
  ]
    .filter((key) => settingOf(sysctl, key) === "1")
    .map((key) => ({ what: `${key} is 1` }));
}

/** What links without hardware addresses have, the loopback link among them. */
const NO_MAC = "00:00:00:00:00:00";

/** A neighbour that somebody has named, and that the kernel does not look for; groups and broadcast it names itself. */
function isFixed({ state, mac }: Neighbour): boolean {
  if (state === "permanent") return true;
  const isGroup = mac === undefined || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return state === "noarp" && !isGroup && mac !== NO_MAC;
}

/** A packet's life is longer than any way in a lab. */
const LEAST_LIFE = 32;

/**
 * Returns what may hold or drop what a machine or pod sends and takes: queues, IPsec, short lives, links without ARP.
 * @param own its links
 */
function passageOddities(
  kernel: Pick<Kernel, "ipsecPolicies" | "links" | "rateLimits" | "sysctl">,
  own: readonly string[],
): Oddity[] {
  const links = new Map(kernel.links.list().map((link) => [link.index, link]));
  const policies = kernel.ipsecPolicies();
  const lives = [
    "net/ipv4/ip_default_ttl",
    ...["all", ...own].map((name) => `net/ipv6/conf/${name}/hop_limit`),
  ].filter((key) => {
    const life = Number(settingOf(kernel.sysctl, key) ?? 0);
    return life > 0 && life < LEAST_LIFE;
  });
  return [
    ...(policies > 0 ? [{ what: `IPsec policies (${policies})` }] : []),
    ...kernel.rateLimits
      .others()
      .map(({ linkIndex, kind }) => ({ what: `queue ${kind} on ${links.get(linkIndex)?.name ?? "a link"}` })),
    ...[...links.values()]
      .filter(({ name, noArp }) => noArp && own.includes(name))
      .map(({ name }) => ({ what: `${name} has ARP off` })),
    ...portRange(kernel),
    ...lives.map((key) => ({ what: `${key} is ${settingOf(kernel.sysctl, key)}` })),
  ];
}

/** What explain takes for the ports of senders. */
const USUAL_PORTS = [32_768, 60_999] as const;

function portRange({ sysctl }: Pick<Kernel, "sysctl">): Oddity[] {
  const text = settingOf(sysctl, "net/ipv4/ip_local_port_range");
  const [first, last] = (text ?? "").trim().split(/\s+/).map(Number);
  if (!first || !last || (first >= USUAL_PORTS[0] && last <= USUAL_PORTS[1])) return [];
  return [{ what: `ip_local_port_range is ${first} ${last}` }];
}

/** Returns a setting; undefined where the kernel has none. */
export function settingOf(sysctl: Kernel["sysctl"], key: string): string | undefined {
  try {
    return sysctl.get(key);
  } catch {
    // Without IPv6, say.
    return undefined;
  }
}
