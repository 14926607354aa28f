// rtnetlink's route messages (rtnetlink(7), linux/rtnetlink.h).
import type { NextHop, Route, RouteFilter, RouteType } from "../kernel.ts";
import { defaultMetric, defaultScope, hasNextHop } from "../route.ts";
import { addressBytes, addressText, familyNumber, familyOfNumber, familyOfText, prefixOf } from "./bytes.ts";
import { Attributes, type Message, type MessageWriter } from "./message.ts";

export const RouteMessage = { new: 24, delete: 25, get: 26 } as const;

const RTA = {
  destination: 1,
  source: 2,
  incoming: 3,
  outgoing: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  flow: 11,
  cacheInfo: 12,
  table: 15,
  mark: 16,
  via: 18,
  newDestination: 19,
  preference: 20,
  encapsulationType: 21,
  encapsulation: 22,
  expires: 23,
  pad: 24,
  uid: 25,
  ttlPropagation: 26,
  ipProtocol: 27,
  sourcePort: 28,
  destinationPort: 29,
  nextHopId: 30,
} as const;
const RTAX_MTU = 2;
const RTAX_WINDOW = 3;
const RTAX_HOPLIMIT = 10;
const RTNH_F_DEAD = 1;
const RTNH_F_ONLINK = 4;
const RTM_F_LOOKUP_TABLE = 0x1000;
const scopeNumbers = { universe: 0, link: 253, host: 254 } as const;
/** In a removal: whatever the scope. */
const SCOPE_ANY = 255;
/** Tables from 256 on do not fit the header's byte, which then says "see the attribute". */
const TABLE_COMPAT = 252;

const typeNumbers: Record<RouteType, number> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};
const typeNames = new Map(Object.entries(typeNumbers).map(([name, number]) => [number, name as RouteType]));

/** Writes the body of a request that adds or replaces a route. */
export function writeRoute(writer: MessageWriter, route: Route): void {
  write(writer, route, scopeNumbers[route.scope ?? defaultScope(route)], route.protocol);
}

/** Writes the body of a request that removes a route: every fact that `route` states must fit. */
export function writeRouteRemoval(writer: MessageWriter, route: Route): void {
  write(writer, route, route.scope === undefined ? SCOPE_ANY : scopeNumbers[route.scope], route.protocol);
}

function write(writer: MessageWriter, route: Route, scope: number, protocol: number): void {
  const destination = prefixOf(route.destination);
  const table = route.table > 255 ? TABLE_COMPAT : route.table;
  writer.u8(familyNumber(route.family)).u8(destination.length).u8(0).u8(0);
  writer.u8(table).u8(protocol).u8(scope).u8(typeNumbers[route.type]);
  writer.u32(route.onlink ? RTNH_F_ONLINK : 0);
  if (destination.length > 0) writer.attribute(RTA.destination, destination.bytes);
  writer.attributeU32(RTA.table, route.table);
  if (route.linkIndex !== undefined) writer.attributeU32(RTA.outgoing, route.linkIndex);
  if (route.via !== undefined) writeGateway(writer, route.family, route.via);
  if (route.source !== undefined) writer.attribute(RTA.preferredSource, addressBytes(route.source));
  if (route.metric !== undefined) writer.attributeU32(RTA.priority, route.metric);
  const { mtu } = route;
  if (mtu !== undefined) writer.nest(RTA.metrics, () => writer.attributeU32(RTAX_MTU, mtu));
}

function writeGateway(writer: MessageWriter, family: 4 | 6, via: string): void {
  const bytes = addressBytes(via);
  if (familyOfText(via) === family) {
    writer.attribute(RTA.gateway, bytes);
  } else {
    // An IPv4 route by way of an IPv6 neighbour (RFC 8950).
    const head = Buffer.alloc(2);
    head.writeUInt16LE(familyNumber(familyOfText(via)));
    writer.attribute(RTA.via, Buffer.concat([head, bytes]));
  }
}

/** Writes the body of a dump request; the kernel itself leaves out what the filter does not want. */
export function writeRouteQuery(writer: MessageWriter, family: 4 | 6, filter: RouteFilter): void {
  writer.u8(familyNumber(family)).u8(0).u8(0).u8(0);
  writer
    .u8(0)
    .u8(filter.protocol ?? 0)
    .u8(0)
    .u8(0)
    .u32(0);
  if (filter.table !== undefined) writer.attributeU32(RTA.table, filter.table);
}

/** Writes the body of a question which route a packet would take. */
export function writeRouteLookup(
  writer: MessageWriter,
  query: { to: string; from?: string; incoming?: number; mark?: number },
): void {
  const to = addressBytes(query.to);
  const from = query.from === undefined ? undefined : addressBytes(query.from);
  writer
    .u8(familyNumber(familyOfText(query.to)))
    .u8(to.length * 8)
    .u8(from ? from.length * 8 : 0)
    .u8(0);
  // IPv4 tells the table only if asked for it; IPv6 always does, and takes no such flag.
  writer
    .u8(0)
    .u8(0)
    .u8(0)
    .u8(0)
    .u32(query.to.includes(":") ? 0 : RTM_F_LOOKUP_TABLE);
  writer.attribute(RTA.destination, to);
  if (from) writer.attribute(RTA.source, from);
  if (query.incoming !== undefined) writer.attributeU32(RTA.incoming, query.incoming);
  if (query.mark !== undefined) writer.attributeU32(RTA.mark, query.mark);
}

const attributes = new Attributes();
const metrics = new Attributes();
const hop = new Attributes();

/** Reads a route message, leaving out what the kernel fills in by default; undefined for families other than IP and for types that Trunkline has no word for. */
export function readRoute({ bytes, from, to }: Message): Route | undefined {
  const family = familyOfNumber(bytes[from]!);
  const type = typeNames.get(bytes[from + 7]!);
  if (family === undefined || type === undefined) return undefined;
  attributes.read(bytes, from + 12, to);
  const destination = attributes.view(RTA.destination);
  const anywhere = family === 4 ? "0.0.0.0" : "::";
  const scope = bytes[from + 6]!;
  const source = attributes.view(RTA.preferredSource);
  const metric = attributes.u32(RTA.priority);
  const mtu = attributes.nested(RTA.metrics, metrics)?.u32(RTAX_MTU);
  return {
    family,
    destination: `${destination ? addressText(destination) : anywhere}/${bytes[from + 1]}`,
    type,
    // IPv6 hangs its blackhole routes on the loopback, which nobody asked for.
    ...(hasNextHop(type) && nextHop(bytes.readUInt32LE(from + 8))),
    ...(source && { source: addressText(source) }),
    scope: scope === scopeNumbers.host ? "host" : scope === scopeNumbers.link ? "link" : "universe",
    protocol: bytes[from + 5]!,
    table: attributes.u32(RTA.table) ?? bytes[from + 4]!,
    ...(metric !== undefined && metric !== defaultMetric(family) && { metric }),
    ...(mtu !== undefined && { mtu }),
    ...severalHops(),
    ...beyond(bytes[from + 3]!, family),
  };
}

/** What routes of every kind have, or what is for statistics alone; the rest of them are told of by name. */
const plain: ReadonlySet<number> = new Set([
  RTA.destination,
  RTA.outgoing,
  RTA.gateway,
  RTA.priority,
  RTA.preferredSource,
  RTA.metrics,
  RTA.multipath,
  RTA.flow,
  // Of answers to a lookup only.
  RTA.incoming,
  RTA.mark,
  RTA.cacheInfo,
  RTA.table,
  RTA.via,
  RTA.preference,
  RTA.pad,
  RTA.expires,
  RTA.uid,
  RTA.ttlPropagation,
  // The kernel tells its next hops beside it, unless it is told not to (nexthop_compat_mode): then the route has none.
  RTA.nextHopId,
]);
const special = Object.entries(RTA).filter(([, type]) => !plain.has(type));
/** A packet's life is longer than any way; no link that carries IP carries less (RFC 791, RFC 8200). */
const LEAST_HOPS = 32;
const leastMtu = { 4: 576, 6: 1280 } as const;

/** Tells what of a route is not among the facts of `Route`. */
function beyond(tos: number, family: 4 | 6): Pick<Route, "beyond"> {
  const [mtu, hops, window] = [RTAX_MTU, RTAX_HOPLIMIT, RTAX_WINDOW].map((type) =>
    attributes.has(RTA.metrics) ? metrics.u32(type) : undefined,
  );
  const preference = attributes.u8(RTA.preference) ?? 0;
  const several = attributes.view(RTA.multipath);
  let isPacked = false;
  if (several) eachHop(several, () => (isPacked ||= hop.has(RTA.encapsulationType)));
  const words = [
    ...(tos === 0 ? [] : [`tos 0x${tos.toString(16)}`]),
    ...(preference === 0 ? [] : ["pref"]),
    ...(mtu !== undefined && mtu < leastMtu[family] ? [`mtu ${mtu}`] : []),
    ...(hops !== undefined && hops < LEAST_HOPS && hops > 0 ? [`hoplimit ${hops}`] : []),
    ...(window === undefined ? [] : [`window ${window}`]),
    ...special.filter(([, type]) => attributes.has(type)).map(([name]) => wordOf(name)),
    ...(isPacked ? ["encap"] : []),
  ];
  return words.length === 0 ? {} : { beyond: [...new Set(words)] };
}

function wordOf(name: string): string {
  return name.startsWith("encapsulation") ? "encap" : name === "source" ? "from" : name;
}

/** Of a route with several next hops all that live are told: the kernel sends each flow by one of them. */
function severalHops(): Pick<Route, "nextHops"> {
  const several = attributes.view(RTA.multipath);
  if (several === undefined) return {};
  const nextHops: NextHop[] = [];
  eachHop(several, (flags, linkIndex) => {
    if ((flags & RTNH_F_DEAD) === 0) nextHops.push(hopFacts(hop, linkIndex, flags));
  });
  return { nextHops };
}

/** Reads each struct rtnexthop (length, flags, weight, link) with its attributes, which `hop` then holds. */
function eachHop(several: Buffer, read: (flags: number, linkIndex: number) => void): void {
  for (let at = 0; at + 8 <= several.length; ) {
    const length = several.readUInt16LE(at);
    if (length < 8 || at + length > several.length) return;
    hop.read(several, at + 8, at + length);
    read(several[at + 2]!, several.readInt32LE(at + 4));
    at += (length + 3) & ~3;
  }
}

/** Of a route with several next hops the first one is told. */
function nextHop(flags: number): { via?: string; linkIndex?: number; onlink?: boolean } {
  const several = attributes.view(RTA.multipath);
  if (several === undefined || several.length < 8) {
    return hopFacts(attributes, attributes.u32(RTA.outgoing), flags);
  }
  hop.read(several, 8, several.readUInt16LE(0));
  return hopFacts(hop, several.readInt32LE(4), several[2]!);
}

function hopFacts(
  from: Attributes,
  linkIndex: number | undefined,
  flags: number,
): ReturnType<typeof nextHop> {
  const gateway = from.view(RTA.gateway) ?? from.view(RTA.via)?.subarray(2);
  return {
    ...(gateway && { via: addressText(gateway) }),
    ...(linkIndex !== undefined && { linkIndex }),
    ...((flags & RTNH_F_ONLINK) !== 0 && { onlink: true }),
  };
}
