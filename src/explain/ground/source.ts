// The address that a kernel takes for what it sends, where nobody names one: each family by its own rule. IPv4: the link's
// first address of the range that the next hop is in, else its first (inet_select_addr of net/ipv4/devinet.c). IPv6:
// RFC 6724 section 5 with the policy table of section 2.1, as ipv6_dev_get_saddr of net/ipv6/addrconf.c has it.
import { type Cidr, cidrContains, cidrOf, formatCidr, type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import { bare, type GroundLink, type Machine, type SourceLabel } from "./ground.ts";

interface Candidate {
  readonly text: string;
  readonly ip: Ip;
  readonly length: number;
  readonly link: GroundLink;
  readonly deprecated: boolean;
}

/**
 * Returns the address that a machine masquerades with, or sends with where its route names none.
 * @param next the next hop: the gateway, or the destination where there is none
 */
export function chooseSource(
  machine: Machine,
  link: GroundLink,
  destination: Ip,
  next: Ip,
): string | undefined {
  return destination.family === 4 ? choose4(machine, link, next) : choose6(machine, link, destination);
}

/** Returns whether an IPv4 address of a link is a further one of a range: the kernel never chooses such a one. */
export function isSecondary(link: GroundLink, text: string): boolean {
  if (text.includes(":")) return false;
  return link.addresses
    .slice(0, link.addresses.indexOf(text))
    .some((older) => rangeText(older) === rangeText(text));
}

/** Returns the first address of its range that a link has: IPv4 speaks with that one to a further one of the range. */
export function primaryOf(link: GroundLink, text: string): string {
  return link.addresses.find((older) => rangeText(older) === rangeText(text)) ?? text;
}

function choose4(machine: Machine, link: GroundLink, next: Ip): string | undefined {
  const own = candidatesOf(link, 4).filter(({ text }) => !isSecondary(link, text));
  const usable = own.filter(({ ip }) => !isHostScope(ip));
  const near = usable.find(({ ip, length }) => cidrContains(cidrOf(ip, length), next)) ?? usable[0];
  if (near) return bare(near.text);
  // The others in the order of their numbers, `lo` first.
  for (const other of machine.links) {
    const found = candidatesOf(other, 4).find(
      ({ ip, text }) => !isSecondary(other, text) && !isHostScope(ip),
    );
    if (found) return bare(found.text);
  }
  return undefined;
}

/** 127.0.0.0/8 has the scope `host`: it never leaves. */
function isHostScope({ value }: Ip): boolean {
  return value >> 24n === 127n;
}

function choose6(machine: Machine, link: GroundLink, destination: Ip): string | undefined {
  const scope = scopeOf(destination);
  const links = scope <= linkScope ? [link] : machine.links;
  const asked: Asked = { to: destination, out: link, labelOf: labelling(machine) };
  let best: Candidate | undefined;
  for (const candidate of links.flatMap((one) => candidatesOf(one, 6)))
    if (!best || compare(candidate, best, asked) > 0) best = candidate;
  return best && bare(best.text);
}

/** What a source is looked for. */
interface Asked {
  readonly to: Ip;
  readonly out: GroundLink;
  readonly labelOf: Labelling;
}

/** Above 0: the first is the better one. What is equal in all leaves it to the one that came first. */
function compare(a: Candidate, b: Candidate, asked: Asked): number {
  for (const rule of rules) {
    const difference = rule(a, asked) - rule(b, asked);
    if (difference !== 0) return difference;
  }
  return 0;
}

type SourceRule = (candidate: Candidate, asked: Asked) => number;

/** The higher the better; a candidate that is better by an earlier rule wins. */
const rules: readonly SourceRule[] = [
  // 1: the same address.
  ({ ip }, { to }) => Number(ip.value === to.value),
  // 2: the smallest scope that is wide enough; else the widest.
  ({ ip }, { to }) => {
    const own = scopeOf(ip);
    return own >= scopeOf(to) ? -own : own - 128;
  },
  // 3: no deprecated ones. (4, home addresses, is of Mobile IPv6.)
  ({ deprecated }) => Number(!deprecated),
  // 5: of the link that it leaves by.
  ({ link }, { out }) => Number(link === out),
  // 6: the same label.
  ({ ip, link }, { to, out, labelOf }) => Number(labelOf(ip, link) === labelOf(to, out)),
  // The kernel's own before the last: ORCHID (RFC 7343) only with ORCHID.
  ({ ip }, { to }) => Number(isOrchid(ip) === isOrchid(to)),
  // 8: the longest common prefix, as far as the address's own goes.
  ({ ip, length }, { to }) => Math.min(length, commonBits(ip, to)),
];

function candidatesOf(link: GroundLink, family: 4 | 6): Candidate[] {
  return link.addresses.flatMap((text) => {
    const ip = parseIp(bare(text));
    if (ip.family !== family) return [];
    if (link.narrow?.includes(text) === true) return [];
    const deprecated = link.deprecated?.includes(text) ?? false;
    return [{ text, ip, length: Number(text.split("/")[1]), link, deprecated }];
  });
}

const linkScope = 2;
const siteScope = 5;
const globalScope = 14;

/** Scopes as numbers of RFC 4291, section 2.7. */
function scopeOf({ value }: Ip): number {
  const top = Number(value >> 112n);
  if (value === 1n || (top & 0xffc0) === 0xfe80) return linkScope;
  if ((top & 0xff00) === 0xff00) return top & 0xf;
  return (top & 0xffc0) === 0xfec0 ? siteScope : globalScope;
}

/** RFC 6724, section 2.1, as the kernel has it (net/ipv6/addrlabel.c). */
const usual: readonly SourceLabel[] = (
  [
    ["::1/128", 0],
    ["::ffff:0:0/96", 4],
    ["::/96", 3],
    ["2001::/32", 6],
    ["2001:10::/28", 7],
    ["2002::/16", 2],
    ["3ffe::/16", 12],
    ["fec0::/10", 11],
    ["fc00::/7", 5],
    ["::/0", 1],
  ] as const
).map(([range, label]) => ({ range, label }));

/** Returns whether a machine labels addresses as every machine does that nobody has told otherwise. */
export function isUsuallyLabelled(labels: readonly SourceLabel[]): boolean {
  const text = (list: readonly SourceLabel[]) =>
    list.map(({ range, label, link = "" }) => `${range} ${label} ${link}`).toSorted();
  return text(labels).join() === text(usual).join();
}

type Labelling = (ip: Ip, link: GroundLink) => number;

const labellings = new WeakMap<readonly SourceLabel[], Labelling>();

/** Returns what tells the label of an address on a link: that of the first entry that fits (ipv6_addr_label). */
function labelling({ labels = usual }: Machine): Labelling {
  const known = labellings.get(labels);
  if (known) return known;
  const list = labels.map(({ range, ...rest }) => ({ ...rest, range: parseCidr(range) }));
  // Entries for a range within another's come first.
  const sorted = list.toSorted((a, b) => b.range.length - a.range.length);
  const labelOf: Labelling = (ip, { name }) =>
    sorted.find(({ range, link }) => (link === undefined || link === name) && cidrContains(range, ip))
      ?.label ?? -1;
  labellings.set(labels, labelOf);
  return labelOf;
}

const orchid: Cidr = parseCidr("2001:10::/28");
function isOrchid(ip: Ip): boolean {
  return cidrContains(orchid, ip);
}

function commonBits(a: Ip, b: Ip): number {
  const different = a.value ^ b.value;
  return different === 0n ? 128 : 128 - different.toString(2).length;
}

function rangeText(text: string): string {
  return formatCidr(cidrOf(parseIp(bare(text)), Number(text.split("/")[1])));
}
