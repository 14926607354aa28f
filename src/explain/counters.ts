// What a node's kernel counted for one pod, out of its listings of maps: each address belongs to a class of peers that
// all rules treat alike, and each class has a counter for each local pod that it may speak with.
import type { Counter, Counters } from "./effective.ts";

type Direction = "ingress" | "egress";

/** Class by peer's address. */
export type PeerClasses = ReadonlyMap<string, string>;
/** Counter by `CLASS ADDRESS`, the address being the local pod's. */
export type ClassCounters = ReadonlyMap<string, Counter>;

export interface Counted {
  readonly peers: PeerClasses;
  readonly rows: ClassCounters;
}

/** Names of a node's maps of that direction, one for each family. */
export function mapNames(direction: Direction, what: "peer" | "row"): readonly string[] {
  const side = direction === "ingress" ? "in" : "out";
  return [`policy-${side}-${what}4`, `policy-${side}-${what}6`];
}

/** Reads the elements of a map of peers from nft's JSON; what is something else is passed over. */
export function readPeers(listing: readonly Record<string, unknown>[]): PeerClasses {
  const out = new Map<string, string>();
  for (const element of elementsOf(listing)) {
    if (!Array.isArray(element)) continue;
    const [address, number] = element as unknown[];
    if (typeof address === "string" && typeof number === "string") out.set(address, number);
  }
  return out;
}

/** Reads the elements of a map of classes from nft's JSON; what is something else is passed over. */
export function readRows(listing: readonly Record<string, unknown>[]): ClassCounters {
  const out = new Map<string, Counter>();
  for (const element of elementsOf(listing)) {
    const key = inside(Array.isArray(element) ? element[0] : undefined, "elem");
    const parts = inside(inside(key, "val"), "concat");
    const packets = inside(inside(key, "counter"), "packets");
    const bytes = inside(inside(key, "counter"), "bytes");
    if (!Array.isArray(parts) || typeof packets !== "number" || typeof bytes !== "number") continue;
    out.set(parts.join(" "), { packets, bytes });
  }
  return out;
}

function elementsOf(listing: readonly Record<string, unknown>[]): readonly unknown[] {
  return listing.flatMap((item) => {
    const elements = inside(item["map"], "elem");
    return Array.isArray(elements) ? (elements as unknown[]) : [];
  });
}

function inside(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** Returns the look-up of counters for the pod that has these addresses. */
export function countersFor(
  addresses: readonly string[],
  counted: Readonly<Record<Direction, Counted>>,
): Counters {
  return (direction, peers) => {
    const { peers: classes, rows } = counted[direction];
    const ids = new Set(peers.flatMap((peer) => classes.get(peer) ?? []));
    const found = [...ids].flatMap((id) =>
      addresses.flatMap((address) => rows.get(`${id} ${address}`) ?? []),
    );
    return found.reduce(
      (sum, one) => ({ packets: sum.packets + one.packets, bytes: sum.bytes + one.bytes }),
      { packets: 0, bytes: 0 },
    );
  };
}
