// What a node's kernel counted for one pod, out of its listings of maps. Each address of a pod belongs to a class of peers
// that all rules treat alike, and each class has a counter for each local pod that it may speak with. Ranges of addresses
// have counters in the map of the pods that the same policies isolate.
import { cidrRange, formatIp, type IpRange, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Nft } from "../../kernel/kernel.ts";
import type { Counter, Counters } from "./effective.ts";

type Direction = "ingress" | "egress";
type Listing = readonly Record<string, unknown>[];

/** One direction of one pod; plain JSON, since who may look and who asks are two processes. */
export interface Counted {
  /** Class by peer's address. */
  readonly peers: readonly (readonly [address: string, id: string])[];
  /** What each class sent to the pod, or was sent by it. */
  readonly classes: readonly (readonly [id: string, counter: Counter])[];
  readonly ranges: readonly CountedRange[];
  /** How many pods count into these ranges together. */
  readonly pods: number;
}

export interface CountedRange {
  readonly first: string;
  readonly last: string;
  readonly counter: Counter;
}

/** Reads what a node counted for the pod that has these addresses. @throws `kernel.nft` */
export async function readCounted(
  nft: Pick<Nft, "list">,
  direction: Direction,
  addresses: readonly string[],
): Promise<Counted> {
  const side = direction === "ingress" ? "in" : "out";
  const list = async (name: string, kind = "map"): Promise<Listing> =>
    (await nft.list(`list ${kind} inet trunkline ${name}`)) ?? [];
  const both = async (name: string, kind?: string): Promise<Listing> => [
    ...(await list(`${name}4`, kind)),
    ...(await list(`${name}6`, kind)),
  ];
  const peers = readPeers(await both(`policy-${side}-peer`));
  const classes = [
    ...readRows(await both(`policy-${side}-row`), addresses),
    ...readRows(await both(`policy-${side}-port`, "set"), addresses),
  ];
  const chains = readChains(await both(direction === "ingress" ? "policy-to" : "policy-from"));
  const mine = addresses.flatMap((address) => chains.get(address) ?? [])[0];
  const digest = mine === undefined ? undefined : /^policy-(?:in|out)-([0-9a-f]{16})$/.exec(mine)?.[1];
  const families = addresses.some((address) => address.includes(":")) ? 6 : 4;
  const alike = [...chains].filter(([ip, chain]) => chain === mine && ip.includes(":") === (families === 6));
  const ranges =
    digest === undefined
      ? []
      : readRanges([
          ...(await list(`policy-${side}-block4-${digest}`)),
          ...(await list(`policy-${side}-block6-${digest}`)),
        ]);
  return { peers, classes, ranges, pods: alike.length };
}

/** Reads the elements of a map of peers from nft's JSON; what is something else is passed over. */
export function readPeers(listing: Listing): Counted["peers"] {
  return elementsOf(listing).flatMap((element) => {
    const [address, id] = Array.isArray(element) ? (element as unknown[]) : [];
    return typeof address === "string" && typeof id === "string" ? [[address, id] as const] : [];
  });
}

/**
 * Reads those elements of a map of classes, or of the set of single ports that classes may use, that are of these addresses;
 * what is something else is passed over.
 */
export function readRows(listing: Listing, addresses: readonly string[]): Counted["classes"] {
  return elementsOf(listing).flatMap((element) => {
    const { val, counter } = countedKey(element);
    const parts = inside(val, "concat");
    if (!Array.isArray(parts) || counter === undefined || !addresses.includes(String(parts[1]))) return [];
    return [[String(parts[0]), counter] as const];
  });
}

/** Reads the elements of a map of ranges; what is something else is passed over. */
export function readRanges(listing: Listing): readonly CountedRange[] {
  return elementsOf(listing).flatMap((element) => {
    const { val, counter } = countedKey(element);
    const range = rangeOf(val);
    return counter === undefined || range === undefined ? [] : [{ ...range, counter }];
  });
}

/** Which chain the packets of a local pod's address go to. */
function readChains(listing: Listing): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  for (const element of elementsOf(listing)) {
    const [key, verdict] = Array.isArray(element) ? (element as unknown[]) : [];
    const parts = inside(key, "concat");
    const address = Array.isArray(parts) ? (parts as unknown[])[1] : key;
    const chain = inside(inside(verdict, "goto"), "target");
    if (typeof address === "string" && typeof chain === "string") out.set(address, chain);
  }
  return out;
}

function countedKey(element: unknown): { readonly val: unknown; readonly counter: Counter | undefined } {
  // With its verdict in a map, alone in a set.
  const key = inside(Array.isArray(element) ? element[0] : element, "elem");
  const counter = inside(key, "counter");
  const [packets, bytes] = [inside(counter, "packets"), inside(counter, "bytes")];
  const known = typeof packets === "number" && typeof bytes === "number";
  return { val: inside(key, "val"), counter: known ? { packets, bytes } : undefined };
}

function rangeOf(value: unknown): { readonly first: string; readonly last: string } | undefined {
  if (typeof value === "string") return { first: value, last: value };
  const ends = inside(value, "range");
  if (Array.isArray(ends)) return { first: String(ends[0]), last: String(ends[1]) };
  const prefix = inside(value, "prefix");
  const cidr = tryParseCidr(`${String(inside(prefix, "addr"))}/${String(inside(prefix, "len"))}`);
  if (cidr === undefined) return undefined;
  const { family, first, last } = cidrRange(cidr);
  return { first: formatIp({ family, value: first }), last: formatIp({ family, value: last }) };
}

function elementsOf(listing: Listing): readonly unknown[] {
  return listing.flatMap((item) => {
    const elements = inside(item["map"] ?? item["set"], "elem");
    return Array.isArray(elements) ? (elements as unknown[]) : [];
  });
}

function inside(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** Returns the look-up of counters of a pod. */
export function countersFor(counted: Readonly<Record<Direction, Counted>>): Counters {
  return (direction, { addresses, ranges }) => {
    const { peers, classes, ranges: counting, pods } = counted[direction];
    const ids = new Set(peers.filter(([address]) => addresses.includes(address)).map(([, id]) => id));
    const found = [
      ...classes.filter(([id]) => ids.has(id)).map(([, counter]) => counter),
      ...counting.filter((one) => isWithin(one, ranges)).map(({ counter }) => counter),
    ];
    const packets = found.reduce((sum, one) => sum + one.packets, 0);
    const bytes = found.reduce((sum, one) => sum + one.bytes, 0);
    return { packets, bytes, ...(ranges.length > 0 && pods > 1 && { pods }) };
  };
}

/** The kernel's ranges are cut where any rule's begins or ends: each is in a rule's range whole, or not at all. */
function isWithin({ first, last }: CountedRange, ranges: readonly IpRange[]): boolean {
  const [low, high] = [tryParseIp(first), tryParseIp(last)];
  if (low === undefined || high === undefined) return false;
  return ranges.some(
    (range) => range.family === low.family && range.first <= low.value && high.value <= range.last,
  );
}
